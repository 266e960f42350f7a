import { existsSync } from 'node:fs';
import { sitePackage } from '@backhaul/identity';
import { writeFileAtomic } from '@backhaul/runtime';
import { customer, site } from '../../api-shapes.ts';
import { SITE, url } from '../demo-configs.ts';
import { PROXIES } from '../demo-folder.ts';
import type { DemoStep } from '../demo-steps.ts';

export const SITE_PACKAGE = 'site-package.json';

/** A customer, a site, and the package its components are enrolled with; the first time only. */
export const registerSite: DemoStep = {
  does: 'register a customer and a site, and make its package',
  run: async (run) => {
    const { api, folder } = run;
    let customerId = folder.state.customer;
    if (customerId === undefined) {
      customerId = (await api.post('/customers', customer, { name: 'Demo customer' })).id;
      await folder.remember({ customer: customerId });
    }
    if (folder.state.components['mlm'] !== undefined && existsSync(folder.file(SITE_PACKAGE)))
      return `customer ${customerId}, ${SITE} (known)`;
    const known = await api.list(`/customers/${customerId}/sites`, site);
    if (!known.some(({ name }) => name === SITE))
      await api.post(`/customers/${customerId}/sites`, site, { name: SITE });
    const made = await api.post(`/customers/${customerId}/sites/${SITE}/package`, sitePackage, {
      mlms: 1,
      proxies: PROXIES.length,
      mlmUrl: url(run.ports!.mlm),
    });
    await writeFileAtomic(folder.file(SITE_PACKAGE), `${JSON.stringify(made, null, 2)}\n`, 0o600);
    const mlm = made.components.find(({ kind }) => kind === 'mlm')!;
    const proxies = made.components
      .filter(({ kind }) => kind === 'proxy')
      .map(({ id }, index) => [PROXIES[index]!, id]);
    await folder.remember({ components: { mlm: mlm.id, ...Object.fromEntries(proxies) } });
    return `customer ${customerId}, ${SITE} with one MLM and ${proxies.length} proxies`;
  },
};
