import { formatBytes, formatDuration } from '../format.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';

/** What `--json` prints: everything that happened, or how far it came. */
export interface DemoResult {
  ok: boolean;
  durationMs: number;
  /** the step that did not happen, in words */
  failed?: { step: string; code: string; detail: string };
  upward: {
    /** number of different classes of host data that every proxy has sent and the application server has stored */
    classes: number;
    /** messages stored in this run, by class */
    byClass: Record<string, number>;
    messages: number;
    filtered: number;
    merged: number;
    throttled: number;
  };
  downward: {
    /** proxies that have answered every command */
    answered: number;
    commands: { command: string; id: string; answered: number }[];
  };
  push: {
    name: string;
    version: string;
    installed: number;
    /** times the accepted package crossed the WAN */
    wanFetches: number;
    /** proxies that have refused the package with the foreign signature */
    refused: number;
    refusedBecause: string;
    id: string;
    refusedId: string;
  };
  /** `wan`, `lan`: of the accepted package; `envelopes…`: everything else, up and down, since the MLM was started */
  bytes: { wan: number; lan: number; envelopesWan: number; envelopesLan: number };
  ledger: { unexplained: number; messages: number };
  portal: string;
  dataDirectory: string;
}

export function emptyResult(dataDirectory: string): DemoResult {
  return {
    ok: false,
    durationMs: 0,
    upward: { classes: 0, byClass: {}, messages: 0, filtered: 0, merged: 0, throttled: 0 },
    downward: { answered: 0, commands: [] },
    push: { name: '', version: '', installed: 0, wanFetches: 0, refused: 0, refusedBecause: '', id: '', refusedId: '' },
    bytes: { wan: 0, lan: 0, envelopesWan: 0, envelopesLan: 0 },
    ledger: { unexplained: 0, messages: 0 },
    portal: '',
    dataDirectory,
  };
}

/** The short table at the end. */
export function renderResult(result: DemoResult, width: number | undefined): string {
  const { upward, downward, push, bytes, ledger } = result;
  const byClass = Object.entries(upward.byClass).map(([name, count]) => ({ name, count }));
  const classes = renderTable(
    byClass,
    [
      { title: 'MESSAGES UP, BY CLASS', value: (row) => row.name, flexible: true },
      { title: 'STORED', value: (row) => row.count, align: 'right' },
    ],
    width,
  );
  const facts = renderTable(
    [
      ['filtered by the MLM', String(upward.filtered)],
      ['merged by the MLM', String(upward.merged)],
      ['told to wait by its throttle', String(upward.throttled)],
      [
        'proxies that answered the group',
        `${downward.answered} (${downward.commands.map(({ command }) => command).join(', ')})`,
      ],
      [`${push.name} ${push.version} installed`, String(push.installed)],
      ['the same with another key, refused', `${push.refused} (${push.refusedBecause})`],
      ['package over the WAN', `${push.wanFetches} × fetched, ${formatBytes(bytes.wan)}`],
      ['package handed out on the LAN', formatBytes(bytes.lan)],
      ['all envelopes over the WAN', formatBytes(bytes.envelopesWan)],
      ['all envelopes on the LAN', formatBytes(bytes.envelopesLan)],
      ['messages nobody can explain', `${ledger.unexplained} of ${ledger.messages}`],
    ],
    [
      { title: 'WHAT HAPPENED', value: (row) => row[0] },
      { title: 'HOW MUCH', value: (row) => row[1], flexible: true },
    ],
    width,
  );
  return `${classes}\n\n${facts}\n\nDone in ${formatDuration(result.durationMs)}.`;
}

/** Where to go from here. `before`: what the shell has to know first, when the demo folder is not found by itself. */
export function renderNextSteps(next: {
  portal: string;
  secret: string;
  messageId: string | undefined;
  command: string;
  before: readonly string[];
}): string {
  const { portal, secret, messageId, command, before } = next;
  return [
    `Portal: ${printable(portal)}`,
    `First-login secret: ${printable(secret)}`,
    '',
    'Try next, in another terminal, in this folder:',
    ...before.map((line) => `  ${line}`),
    `  ${command} status`,
    `  ${command} send --group site-a get-configuration --wait`,
    `  ${command} trace ${messageId ?? '<message id>'}`,
  ].join('\n');
}
