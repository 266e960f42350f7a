import type { ChangedAlarms } from '../changed-alarms.ts';
import { firstLine, type HostSystem, reasonOf } from '../host-system.ts';
import type { AlarmReport, Collector } from '../report.ts';

/** How many single alarms one look may open; the rest is told as a number. */
const MAX_UNITS = 50;
const JOURNAL_WINDOW = '-1h';
const JOURNAL_LINES = '1000';

/** Failed units, errors in the journal, load above its limit. `told`: what the proxy was told of them. */
export function systemAlarmsCollector(
  limits: { loadPerCpu: number },
  told: Pick<ChangedAlarms, 'open'> = { open: () => [] },
): Collector {
  return async (host) => [...(await units(host, told)), await journal(host), await load(host, limits.loadPerCpu)];
}

/** One alarm for each failed unit, one clear for each that was told as failed; `clear` for all when none does. */
async function units(host: HostSystem, told: Pick<ChangedAlarms, 'open'>): Promise<AlarmReport[]> {
  const base = { kind: 'alarm', class: 'system-alarms', subclass: 'units' } as const;
  const failed = await failedUnits(host);
  if (typeof failed === 'string') {
    return [
      {
        ...base,
        alarmId: 'units',
        severity: 'info',
        state: 'unavailable',
        text: `Failed units cannot be told: ${failed}`,
      },
    ];
  }
  const open = failed.slice(0, MAX_UNITS).map(
    (unit): AlarmReport => ({
      ...base,
      alarmId: `unit:${unit}`,
      severity: 'major',
      state: 'open',
      location: unit,
      text: `Unit ${unit} has failed`,
    }),
  );
  const recovered = told.open(base).filter(({ location }) => location !== undefined && !failed.includes(location));
  const clear = recovered.map(
    (alarm): AlarmReport => ({ ...alarm, state: 'clear', text: `Unit ${alarm.location} no longer fails` }),
  );
  const summary: AlarmReport = {
    ...base,
    alarmId: 'units',
    severity: 'info',
    state: 'clear',
    text: 'No unit has failed',
  };
  return failed.length === 0 ? [...clear, summary] : [...clear, ...open];
}

/** Names of failed units, or the reason why nobody can say. */
async function failedUnits(host: HostSystem): Promise<string[] | string> {
  try {
    const result = await host.run('systemctl', ['--failed', '--plain', '--no-legend', '--no-pager', '--full']);
    if (result.code !== 0) return firstLine(result.stderr) || `systemctl ended with ${result.code}`;
    return readFailedUnits(result.stdout);
  } catch (error) {
    return `systemctl: ${reasonOf(error)}`;
  }
}

export function readFailedUnits(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[0] ?? '')
    .filter((name) => /^[\w@:.\\-]{1,200}$/.test(name) && name.includes('.'));
}

async function journal(host: HostSystem): Promise<AlarmReport> {
  const base = { kind: 'alarm', class: 'system-alarms', subclass: 'journal', alarmId: 'journal' } as const;
  const unavailable = (reason: string): AlarmReport => ({
    ...base,
    severity: 'info',
    state: 'unavailable',
    text: `The journal cannot be read: ${reason}`,
  });
  try {
    const result = await host.run('journalctl', [
      '-p',
      'err',
      '--since',
      JOURNAL_WINDOW,
      '-n',
      JOURNAL_LINES,
      '-q',
      '-o',
      'cat',
      '--no-pager',
    ]);
    if (result.code !== 0) return unavailable(firstLine(result.stderr) || `journalctl ended with ${result.code}`);
    if (!(await hasJournal(host))) return unavailable('there is no journal on this host');
    const lines = result.stdout.split('\n').filter((line) => line.trim() !== '');
    if (lines.length === 0)
      return { ...base, severity: 'warning', state: 'clear', text: 'No errors in the journal in the last hour' };
    return {
      ...base,
      severity: 'warning',
      state: 'open',
      text: `${lines.length} errors in the journal in the last hour; latest: ${firstLine(lines.at(-1) ?? '')}`,
    };
  } catch (error) {
    return unavailable(`journalctl: ${reasonOf(error)}`);
  }
}

async function hasJournal(host: HostSystem): Promise<boolean> {
  const folders = await Promise.all(
    ['/var/log/journal', '/run/log/journal'].map((path) => host.list(path).catch(() => [])),
  );
  return folders.some((names) => names.length > 0);
}

async function load(host: HostSystem, loadPerCpu: number): Promise<AlarmReport> {
  const base = { kind: 'alarm', class: 'system-alarms', subclass: 'load', alarmId: 'load' } as const;
  try {
    const load1 = Number((await host.readText('/proc/loadavg')).split(' ')[0]);
    const limit = loadPerCpu * host.facts().cpus;
    const state = load1 > limit ? 'open' : 'clear';
    return {
      ...base,
      severity: 'minor',
      state,
      text: `Load ${load1} of one minute is ${state === 'open' ? 'above' : 'within'} the limit of ${limit}`,
    };
  } catch (error) {
    return { ...base, severity: 'info', state: 'unavailable', text: `The load cannot be read: ${reasonOf(error)}` };
  }
}
