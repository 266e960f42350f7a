import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { need, programPath } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Browser, chromium, type Page } from 'playwright-core';
import { Fleet, integratorCall } from '../fleet/fleet.ts';

const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
/** Where the pictures go when somebody wants to look at them. */
const PICTURES =
  process.env['BACKHAUL_PICTURES'] ?? fileURLToPath(new URL('../../node_modules/.cache/pictures', import.meta.url));

const OPERATIONS = [
  ['Overdue', 'Overdue'],
  ['Ledger', 'Ledger'],
  ['Dead letters', 'Dead letters'],
  ['Notifications', 'Notifications'],
] as const;

describe('The portal in a browser', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  let browser: Browser;
  let page: Page;

  before(async function () {
    need(this, 'program', 'chromium');
    fleet = await Fleet.create({ proxies: 2 });
    const socket = fleet.proxies[0]!.runtime!.listeners.integrator!;
    const integrator = (
      await integratorCall(socket, 'POST', '/v1/integrators', { name: 'portal', platform: 'test', version: '1' })
    ).body as { id: string };
    const instance = (
      await integratorCall(socket, 'POST', '/v1/instances', {
        integrator: integrator.id,
        platform: 'test',
        managementId: 'm',
        name: 'm',
        type: 'host',
      })
    ).body as { id: string };
    await fleet.submit(0, 'alarms', [
      {
        instance: instance.id,
        class: 'x-machine',
        subclass: 'fan',
        alarmId: 'fan',
        severity: 'critical',
        state: 'open',
        text: HOSTILE,
      },
    ]);
    await fleet.until(
      'the alarm is open',
      async () => (await fleet.api<{ items: unknown[] }>('GET', '/alarms?state=open')).items.length > 0,
    );
    browser = await chromium.launch({
      executablePath: programPath('chromium')!,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
      ],
    });
    page = await browser.newPage({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 } });
  });
  after(async () => {
    await browser?.close();
    await fleet?.stop();
  });

  it('asks for the secret and refuses a wrong one', async () => {
    await page.goto(`${fleet.appserver.runtime!.listeners.staff}/portal`);
    await page.getByLabel('Admin secret').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    expect(await page.getByRole('alert').isVisible()).to.equal(true);
  });

  it('shows sites, proxies, last heard and open alarms', async () => {
    await page.getByLabel('Admin secret').fill(fleet.adminSecret);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const text = await page.locator('main').textContent();
    for (const id of [fleet.proxyId(0), fleet.proxyId(1), fleet.mlmId, 'site-a', 'critical'])
      expect(text).to.contain(id);
    await picture('light');
  });

  it('T-A21: shows hostile text as text', async () => {
    expect(await page.title()).to.not.contain('owned');
    expect(await page.locator('main').textContent()).to.contain('<img src=x');
    expect(await page.locator('main img, main script').count()).to.equal(0);
  });

  it('follows the system into the dark', async () => {
    const light = await groundOf(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await groundOf(page)).to.not.equal(light);
    await picture('dark');
  });

  it('has pages for the ledger, dead letters, who is overdue and who was told; each in light and dark', async () => {
    for (const [name, heading] of OPERATIONS) {
      await page.emulateMedia({ colorScheme: 'light' });
      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { name: heading, exact: true, level: 1 }).waitFor();
      expect(await page.locator('nav [aria-current="page"]').textContent()).to.equal(name);
      await picture(`${name.toLowerCase().replace(' ', '-')}-light`);
      await page.emulateMedia({ colorScheme: 'dark' });
      await picture(`${name.toLowerCase().replace(' ', '-')}-dark`);
    }
  });

  it('the ledger accounts for what the proxy sent, and can be narrowed to it', async () => {
    await page.getByRole('link', { name: 'Ledger', exact: true }).click();
    await page.getByLabel('Source').fill(fleet.proxyId(0));
    await page.getByRole('button', { name: 'Show' }).click();
    await page
      .getByRole('heading', { name: new RegExp(`^${fleet.proxyId(0)} · lane`) })
      .first()
      .waitFor();
    expect(await page.locator('main').textContent()).to.contain('delivered');
    expect(await page.locator('main').textContent()).to.not.contain(fleet.proxyId(1));
  });

  it('a critical alarm was told: hostile text is text there, too', async () => {
    await page.getByRole('link', { name: 'Notifications', exact: true }).click();
    await page.getByRole('heading', { name: 'Notifications', level: 1 }).waitFor();
    expect(await page.locator('main').textContent())
      .to.contain('alarm.open')
      .and.to.contain('<img src=x');
    expect(await page.locator('main img, main script').count()).to.equal(0);
    expect(await page.title()).to.not.contain('owned');
  });

  it('logs out', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Admin secret').waitFor();
    await page.goto(`${fleet.appserver.runtime!.listeners.staff}/portal`);
    expect(await page.getByLabel('Admin secret').isVisible()).to.equal(true);
  });

  async function picture(name: string): Promise<void> {
    await mkdir(PICTURES, { recursive: true });
    await page.screenshot({ path: join(PICTURES, `portal-${name}.png`), fullPage: true });
  }
});

function groundOf(page: Page): Promise<string> {
  return page.evaluate('getComputedStyle(document.body).backgroundColor') as Promise<string>;
}
