import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '@backhaul/runtime';
import { need } from '@backhaul/testkit';
import { expect } from 'chai';
import { roleSchema, SCHEMA_ROLES } from '../src/role-schemas.ts';
import { removeTemporaryFolders, temporaryFolder } from './test-context.ts';

const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));
const UNITS = SCHEMA_ROLES.map((role) => `backhaul-${role}.service`);

describe('deploy/', () => {
  after(removeTemporaryFolders);

  for (const role of SCHEMA_ROLES) {
    it(`config/${role}.yaml is a configuration of the role ${role}`, async () => {
      loadConfig(await roleSchema(role), { file: join(DEPLOY, 'config', `${role}.yaml`), env: {} });
    });

    it(`the unit of ${role} starts it with the settings and the data folder that its configuration names`, () => {
      const unit = readFileSync(join(DEPLOY, 'systemd', `backhaul-${role}.service`), 'utf8');
      const verb = role === 'certs' ? 'certs serve' : role;
      expect(unit).to.include(`ExecStart=/opt/backhaul/bin/backhaul ${verb} --config /etc/backhaul/${role}.yaml\n`);
      expect(unit).to.include(`StateDirectory=backhaul/${role}\n`);
      expect(readFileSync(join(DEPLOY, 'config', `${role}.yaml`), 'utf8')).to.match(
        new RegExp(`^dataDirectory: /var/lib/backhaul/${role}\\b`, 'm'),
      );
    });
  }

  it('has a unit for each role and no other', () => {
    expect(readdirSync(join(DEPLOY, 'systemd')).toSorted()).to.deep.equal(UNITS.toSorted());
  });

  it('has units that systemd takes without a complaint, and that are shut in', function () {
    this.timeout(30_000);
    need(this, 'program', 'systemd-analyze');
    const folder = temporaryFolder();
    for (const unit of UNITS) {
      const text = readFileSync(join(DEPLOY, 'systemd', unit), 'utf8');
      writeFileSync(join(folder, unit), text.replace('/opt/backhaul/bin/backhaul', '/bin/true'));
    }
    const paths = UNITS.map((unit) => join(folder, unit));
    const verified = spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' });
    expect(`${verified.stdout}${verified.stderr}`.split('\n').filter((line) => line.includes(folder))).to.deep.equal(
      [],
    );
    expect(verified.status).to.equal(0);
    for (const path of paths) {
      const judged = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=25', path], {
        encoding: 'utf8',
      });
      expect(judged.status, judged.stdout.split('\n').at(-2)).to.equal(0);
    }
  });
});
