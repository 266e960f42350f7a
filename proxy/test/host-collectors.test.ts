import { checkContent, jsonData } from '@backhaul/envelope';
import { systemClock } from '@backhaul/runtime';
import { expect } from 'chai';
import { ChangedAlarms } from '../src/integrators/host/changed-alarms.ts';
import { collectDiskConfiguration } from '../src/integrators/host/collectors/disk-configuration.ts';
import { collectInterfaces, readInterfaces } from '../src/integrators/host/collectors/interfaces.ts';
import { readMounts } from '../src/integrators/host/collectors/mounts.ts';
import { collectOsPackages, readDpkg, readRpm } from '../src/integrators/host/collectors/os-packages.ts';
import { collectPatches, readAptList } from '../src/integrators/host/collectors/patches.ts';
import {
  busyFraction,
  performanceCollector,
  readCpuTimes,
  readDiskTotals,
} from '../src/integrators/host/collectors/performance.ts';
import { storageAlarmsCollector, usedFraction } from '../src/integrators/host/collectors/storage-alarms.ts';
import { readFailedUnits, systemAlarmsCollector } from '../src/integrators/host/collectors/system-alarms.ts';
import { collectSystemConfiguration } from '../src/integrators/host/collectors/system-configuration.ts';
import { type CommandResult, type HostSystem, realHost } from '../src/integrators/host/host-system.ts';
import { type AlarmReport, type Collector, type Report, splitParts } from '../src/integrators/host/report.ts';

/** A host that has only what the test gives it. */
function host(has: {
  files?: Record<string, string>;
  commands?: Record<string, Partial<CommandResult>>;
  folders?: Record<string, string[]>;
  use?: HostSystem['fileSystemUse'];
}): HostSystem {
  const missing = () => Promise.reject(Object.assign(new Error('no such thing'), { code: 'ENOENT' }));
  return {
    ...realHost,
    run: async (command) =>
      has.commands?.[command] ? { code: 0, stdout: '', stderr: '', ...has.commands[command] } : missing(),
    readText: async (path) => has.files?.[path] ?? missing(),
    list: async (path) => has.folders?.[path] ?? missing(),
    fileSystemUse: has.use ?? missing,
  };
}

const COLLECTORS: [string, Collector][] = [
  ['os packages', collectOsPackages],
  ['patches', collectPatches],
  ['disk configuration', collectDiskConfiguration],
  ['system configuration', collectSystemConfiguration(systemClock)],
  ['performance', performanceCollector()],
  ['interfaces', collectInterfaces],
  ['system alarms', systemAlarmsCollector({ loadPerCpu: 4 })],
  ['storage alarms', storageAlarmsCollector({ usedFraction: 0.9 })],
];

/** Throws what the proxy would refuse the report with. */
function check(report: Report): void {
  const content =
    report.kind === 'data'
      ? jsonData(report.data)
      : {
          type: 'alarm' as const,
          instance: 'c12345678.p1.s1',
          occurredAt: 1,
          alarmId: report.alarmId,
          severity: report.severity,
          state: report.state,
          text: report.text,
        };
  checkContent(report.class, report.subclass, content);
}

describe('host collectors', () => {
  for (const [name, collect] of COLLECTORS) {
    it(`${name}: what this very host says fits its class`, async () => {
      const reports = await collect(realHost);
      expect(reports).not.empty;
      for (const report of reports) check(report);
    }).timeout(60_000);
  }

  it('a host that has nothing is told as unavailable, with the reason', async () => {
    const nothing = host({});
    const patches = await collectPatches(nothing);
    expect(patches[0]).nested.include({
      'data.state': 'unavailable',
      'data.reason': 'apt: not present on this host',
    });
    const alarms = [
      ...(await systemAlarmsCollector({ loadPerCpu: 1 })(nothing)),
      ...(await storageAlarmsCollector({ usedFraction: 0.9 })(nothing)),
    ] as AlarmReport[];
    expect(alarms.map(({ subclass, state }) => `${subclass} ${state}`)).deep.equal([
      'units unavailable',
      'journal unavailable',
      'load unavailable',
      'filesystem unavailable',
    ]);
    for (const alarm of alarms) expect(alarm.text).contain('not present on this host');
    expect(await collectOsPackages(nothing)).empty;
  });

  it('without systemd, failed units cannot be told, and it says why', async () => {
    const commands = {
      systemctl: { code: 1, stderr: 'System has not been booted with systemd as init system (PID 1).\nmore' },
      journalctl: { code: 0 },
    };
    const [units, journal] = (await systemAlarmsCollector({ loadPerCpu: 1 })(host({ commands }))) as AlarmReport[];
    expect(units).include({
      state: 'unavailable',
      text: 'Failed units cannot be told: System has not been booted with systemd as init system (PID 1).',
    });
    expect(journal).include({
      state: 'unavailable',
      text: 'The journal cannot be read: there is no journal on this host',
    });
  });

  it('a failed unit opens an alarm of its own, which clears when it recovers', async () => {
    const told = new ChangedAlarms();
    const collect = systemAlarmsCollector({ loadPerCpu: 1 }, told);
    const look = async (stdout: string) =>
      ((await collect(host({ commands: { systemctl: { stdout } } }))) as AlarmReport[]).filter(
        ({ subclass }) => subclass === 'units',
      );
    const states = (alarms: AlarmReport[]) => alarms.map(({ alarmId, state }) => `${alarmId} ${state}`);
    const failed = await look('ssh.service loaded failed failed OpenBSD\n');
    expect(states(failed)).deep.equal(['unit:ssh.service open']);
    told.told(failed);
    for (const attempt of ['the proxy is away', 'it takes it'])
      expect(states(await look('')), attempt).deep.equal(['unit:ssh.service clear', 'units clear']);
    told.told(await look(''));
    expect(states(await look(''))).deep.equal(['units clear']);
  });

  it('load and file systems open above their limit and are clear within it', async () => {
    const files = { '/proc/loadavg': '9.5 1 1 1/1 1', '/proc/mounts': '/dev/vda / ext4 rw 0 0\n' };
    const full = host({ files, use: async () => ({ sizeBytes: 100, usedBytes: 95, availableBytes: 4 }) });
    const load = (limit: number) =>
      systemAlarmsCollector({ loadPerCpu: limit })(full).then((reports) => (reports.at(-1) as AlarmReport).state);
    expect(await load(9.5 / realHost.facts().cpus - 0.1)).equal('open');
    expect(await load(9.5 / realHost.facts().cpus)).equal('clear');
    const storage = (limit: number) =>
      storageAlarmsCollector({ usedFraction: limit })(full).then(([report]) => report as AlarmReport);
    expect(await storage(0.9)).include({ alarmId: 'filesystem:/', state: 'open', location: '/' });
    expect(await storage(0.97)).include({ state: 'clear' });
    expect(usedFraction({ sizeBytes: 0, usedBytes: 0, availableBytes: 0 })).equal(0);
  });

  it('tells an alarm when it changes, not at every look', () => {
    const alarm = (state: AlarmReport['state']): AlarmReport => ({
      kind: 'alarm',
      class: 'c',
      subclass: 's',
      alarmId: 'a',
      severity: 'minor',
      state,
      text: '',
    });
    const memory = new ChangedAlarms();
    expect(memory.changed([alarm('clear')])).length(1); // the first look tells that all is well
    expect(memory.changed([alarm('clear')])).length(1); // not told yet
    memory.told([alarm('clear')]);
    expect(memory.changed([alarm('clear')])).empty;
    expect(memory.changed([alarm('open')])).length(1);
  });

  it('splits long lists into parts below the limit of a message', () => {
    const items = Array.from({ length: 1_000 }, (_, n) => ({ n, text: 'x'.repeat(100) }));
    const parts = splitParts(items, 10_000);
    expect(parts.flat()).deep.equal(items);
    for (const part of parts) expect(JSON.stringify(part).length).below(10_100);
    expect(splitParts([])).deep.equal([[]]);
  });

  it('reads what the programs and the kernel write', () => {
    expect(readDpkg('ii \tbash\t5.2\tamd64\nrc \told\t1\tall\nhi \theld\t2\tall\n')).deep.equal([
      { name: 'bash', version: '5.2', architecture: 'amd64' },
      { name: 'held', version: '2', architecture: 'all' },
    ]);
    expect(readRpm('bash\t0:5.1-2\tx86_64\n')).deep.equal([{ name: 'bash', version: '5.1-2', architecture: 'x86_64' }]);
    expect(
      readAptList(
        'Listing...\ncurl/oldstable-security,oldstable 7.88.1-11 amd64 [upgradable from: 7.88.1-10]\nbash/oldstable 5.2-b8 amd64 [upgradable from: 5.2]\nnew/stable 1 all\n',
      ),
    ).deep.equal([
      { name: 'curl', installed: '7.88.1-10', candidate: '7.88.1-11', security: true },
      { name: 'bash', installed: '5.2', candidate: '5.2-b8', security: false },
    ]);
    expect(
      readMounts(
        '/dev/vda / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/vda /snap ext4 rw 0 0\n/dev/vdb /my\\040disk xfs rw 0 0\n',
      ).map(({ mountpoint }) => mountpoint),
    ).deep.equal(['/', '/my disk']);
    expect(readInterfaces('Inter-|\n face |b\n  eth0: 10 2 1 0 0 0 0 0 20 3 4 0 0 0 0 0\n')).deep.equal([
      {
        interface: 'eth0',
        receivedBytes: 10,
        receivedPackets: 2,
        receiveErrors: 1,
        sentBytes: 20,
        sentPackets: 3,
        sendErrors: 4,
      },
    ]);
    expect(readCpuTimes('cpu  10 0 10 70 10 0 0 0 5 0\ncpu0 1\n')).deep.equal({ busy: 20, total: 100 });
    expect(busyFraction({ busy: 0, total: 0 }, { busy: 20, total: 100 })).equal(0.2);
    expect(busyFraction({ busy: 20, total: 100 }, { busy: 20, total: 100 })).equal(0);
    expect(readDiskTotals(' 254 0 vda 1 2 8 4 5 6 16 8\n 254 1 vda1 1 2 8 4 5 6 16 8\n')).deep.equal({
      readBytes: 4096,
      writtenBytes: 8192,
    });
    expect(readFailedUnits('ssh.service loaded failed failed x\n\n● bad.mount loaded\n')).deep.equal(['ssh.service']);
  });
});
