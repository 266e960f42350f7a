import { resolve } from 'node:path';
import { backupFolder, restoreFolder } from '../backup-folder.ts';
import { formatBytes } from '../format.ts';
import type { Verb } from '../verb.ts';

export const backup: Verb = {
  path: 'backup',
  summary: 'copy the data folder of a role into a new folder, with a hash of every file',
  description:
    'The certificate authority and the application server may go on running. An MLM or a proxy must be stopped: its store cannot be copied while it is in use. The backup holds keys and secrets: keep it as safe as the machine itself.',
  options: [
    ['--data <folder>', 'data folder of the role'],
    ['--to <folder>', 'a new folder for the backup'],
  ],
  examples: ['backhaul backup --data /var/lib/backhaul/certs --to /backup/certs-2026-11-21'],
  run: async ({ cli, options }) => {
    const to = resolve(cli.directory, options.required('to'));
    const manifest = await backupFolder(resolve(cli.directory, options.required('data')), to, cli.clock);
    const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
    return {
      json: { to, files: manifest.files.length, bytes, madeAt: manifest.madeAt },
      text: `${manifest.files.length} files, ${formatBytes(bytes)}, in ${to}. It holds secrets: keep it safe.`,
    };
  },
};

export const restore: Verb = {
  path: 'restore',
  summary: 'put a backup back into an empty data folder',
  description:
    'Every hash is checked before anything is written. Never run the restored copy beside the original. A restored proxy or MLM begins a new epoch, so that no number is used for two messages.',
  options: [
    ['--from <folder>', 'the backup'],
    ['--data <folder>', 'an empty or missing folder to restore into'],
  ],
  examples: ['backhaul restore --from /backup/certs-2026-11-21 --data /var/lib/backhaul/certs'],
  run: async ({ cli, options }) => {
    const data = resolve(cli.directory, options.required('data'));
    const manifest = await restoreFolder(resolve(cli.directory, options.required('from')), data);
    return {
      json: { data, files: manifest.files.length, madeAt: manifest.madeAt },
      text: `${manifest.files.length} files of ${manifest.madeAt} are back in ${data}.`,
    };
  },
};
