import { execFile } from 'node:child_process';
import { readdir, readFile, statfs } from 'node:fs/promises';
import os from 'node:os';

/** Commands run with a bound on time and output; both are reasons to say `unavailable`, never to hang. */
const COMMAND_TIMEOUT_MS = 30_000;
const COMMAND_OUTPUT_BYTES = 32 * 1024 * 1024;
const FILE_BYTES = 4 * 1024 * 1024;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FileSystemUse {
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** what an ordinary user may still write */
  readonly availableBytes: number;
}

export interface HostFacts {
  readonly hostname: string;
  readonly platform: string;
  readonly release: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
  readonly uptimeSeconds: number;
}

/** What collectors may ask of the machine. Everything by argument arrays; no shell ever sees a name. */
export interface HostSystem {
  /** Resolves with the exit code; rejects when the program is not there, takes too long or says too much. */
  run(command: string, args: readonly string[]): Promise<CommandResult>;
  readText(path: string): Promise<string>;
  list(path: string): Promise<string[]>;
  fileSystemUse(path: string): Promise<FileSystemUse>;
  facts(): HostFacts;
}

export const realHost: HostSystem = {
  run: (command, args) =>
    new Promise((resolve, reject) => {
      const options = {
        timeout: COMMAND_TIMEOUT_MS,
        maxBuffer: COMMAND_OUTPUT_BYTES,
        killSignal: 'SIGKILL' as const,
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' },
      };
      execFile(command, [...args], options, (error, stdout, stderr) => {
        if (error && typeof error.code !== 'number') return reject(error);
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      });
    }),
  async readText(path) {
    return (await readFile(path, 'utf8')).slice(0, FILE_BYTES);
  },
  list: (path) => readdir(path),
  async fileSystemUse(path) {
    const use = await statfs(path);
    return {
      sizeBytes: use.blocks * use.bsize,
      usedBytes: (use.blocks - use.bfree) * use.bsize,
      availableBytes: use.bavail * use.bsize,
    };
  },
  facts() {
    const cpus = os.cpus();
    return {
      hostname: os.hostname(),
      platform: os.platform(),
      release: os.release(),
      architecture: os.arch(),
      cpus: cpus.length,
      cpuModel: cpus[0]?.model.trim() ?? 'unknown',
      memoryBytes: os.totalmem(),
      uptimeSeconds: os.uptime(),
    };
  },
};

/** Why a program or a file could not be used, in a few words and without this machine's noise. */
export function reasonOf(error: unknown): string {
  const { code, killed } = error as { code?: string; killed?: boolean };
  if (code === 'ENOENT') return 'not present on this host';
  if (code === 'EACCES' || code === 'EPERM') return 'not permitted for this user';
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'it said more than is read';
  if (killed) return 'no answer in time';
  return firstLine(error instanceof Error ? error.message : String(error));
}

export function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.slice(0, 200) ?? '';
}
