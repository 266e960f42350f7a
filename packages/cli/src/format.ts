const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1536` → `1.5 KiB` */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Milliseconds as a person says them: `850 ms`, `12.3 s`, `4 min 5 s`, `3 h 2 min`, `6 d 1 h`. */
export function formatDuration(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const value = Math.abs(ms);
  if (value < 1000) return `${sign}${Math.round(value)} ms`;
  if (value < 60_000) return `${sign}${(value / 1000).toFixed(1)} s`;
  if (value < 3_600_000) return sign + twoUnits(value / 1000, 60, 'min', 's');
  if (value < 86_400_000) return sign + twoUnits(value / 60_000, 60, 'h', 'min');
  return sign + twoUnits(value / 3_600_000, 24, 'd', 'h');
}

function twoUnits(smallUnits: number, perBig: number, big: string, small: string): string {
  const whole = Math.floor(smallUnits);
  const rest = whole % perBig;
  return rest === 0 ? `${Math.floor(whole / perBig)} ${big}` : `${Math.floor(whole / perBig)} ${big} ${rest} ${small}`;
}

/** How long ago, or `-` when never. */
export function formatAgo(at: number | string | null | undefined, now: number): string {
  if (at === undefined || at === null) return '-';
  const ms = toMs(at);
  return Number.isNaN(ms) ? '-' : now - ms < 1000 ? 'now' : `${formatDuration(now - ms)} ago`;
}

/** How far ahead, or `-` when there is nothing to wait for. */
export function formatIn(at: number | string | null | undefined, now: number): string {
  if (at === undefined || at === null) return '-';
  const ms = toMs(at);
  return Number.isNaN(ms) ? '-' : ms <= now ? 'now' : `in ${formatDuration(ms - now)}`;
}

/** `2026-11-21 03:19:00` in UTC: the same moment for everybody who reads it. */
export function formatTime(at: number | string | null | undefined): string {
  if (at === undefined || at === null) return '-';
  const ms = toMs(at);
  return Number.isNaN(ms) ? '-' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

/** Milliseconds since 1970 from either form a server may use. */
export function toMs(at: number | string): number {
  return typeof at === 'number' ? at : Date.parse(at);
}

const DURATION = /^(\d+)(ms|s|min|m|h|d)$/;
const FACTORS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `30s`, `5m`, `2h`, `1d`, `250ms` → milliseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  return match ? Number(match[1]) * FACTORS[match[2]!]! : undefined;
}
