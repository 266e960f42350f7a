import type { AlarmReport } from './report.ts';

/**
 * Remembers what was last said of each alarm, so that a condition is told when it changes and not at every look.
 * The first look tells everything, `clear` and `unavailable` too: a silent host and a healthy one must not look the same.
 */
export class ChangedAlarms {
  readonly #last = new Map<string, AlarmReport>();

  changed(alarms: readonly AlarmReport[]): AlarmReport[] {
    return alarms.filter((alarm) => {
      const last = this.#last.get(keyOf(alarm));
      return last === undefined || standing(last) !== standing(alarm);
    });
  }

  /** Called after the proxy has them; until then they count as untold. */
  told(alarms: readonly AlarmReport[]): void {
    for (const alarm of alarms) this.#last.set(keyOf(alarm), alarm);
  }

  /** Those of one kind that the proxy was told are open: each of them has to be told as `clear` some day. */
  open(kind: Pick<AlarmReport, 'class' | 'subclass'>): AlarmReport[] {
    return [...this.#last.values()].filter(
      (alarm) => alarm.state === 'open' && alarm.class === kind.class && alarm.subclass === kind.subclass,
    );
  }
}

const keyOf = (alarm: AlarmReport) => `${alarm.class}/${alarm.subclass}/${alarm.alarmId}`;
const standing = (alarm: AlarmReport) => `${alarm.state} ${alarm.severity}`;
