import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { BackhaulError, isErrorCode } from '@backhaul/runtime';
import { type InstallerLine, type InstallerRequest, installerLine } from '../installer/protocol.ts';

export type InstallerProgress =
  | { readonly type: 'verified' | 'started' }
  | { readonly type: 'percent'; readonly percent: number };

/** Asks the installer process over its socket. One connection for each request. */
export class InstallerClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * Resolves when the installer says yes (judge) or done (install). Throws its refusal; BH-E-INSTALL (retryable) when it is not
   * there or ends in the middle.
   */
  async ask(
    request: InstallerRequest,
    signal: AbortSignal,
    onProgress: (progress: InstallerProgress) => void = () => {},
  ): Promise<void> {
    const socket = connect(this.#socketPath);
    const abort = () => socket.destroy();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await exchange(socket, request, onProgress);
    } finally {
      signal.removeEventListener('abort', abort);
      socket.destroy();
    }
  }
}

function exchange(
  socket: Socket,
  request: InstallerRequest,
  onProgress: (progress: InstallerProgress) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (cause?: Error) =>
      reject(new BackhaulError('BH-E-INSTALL', { detail: 'the installer does not answer', cause }));
    socket.once('error', gone).once('close', () => gone());
    socket.write(`${JSON.stringify(request)}\n`);
    const lines = createInterface({ input: socket });
    lines.on('error', gone); // readline passes the socket's error on
    lines.on('line', (text) => {
      const line = readLine(text);
      if (line === undefined) gone();
      else if ('progress' in line)
        onProgress(line.progress === 'percent' ? { type: 'percent', percent: line.percent } : { type: line.progress });
      else if (line.ok) resolve();
      else reject(refusalOf(line));
    });
  });
}

function readLine(text: string): InstallerLine | undefined {
  try {
    return installerLine.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function refusalOf({ code, detail }: { code: string; detail?: string | undefined }): BackhaulError {
  return new BackhaulError(isErrorCode(code) ? code : 'BH-E-INSTALL', detail === undefined ? {} : { detail });
}
