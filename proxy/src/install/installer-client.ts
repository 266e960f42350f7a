import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { BackhaulError, type Clock, isErrorCode, type Timer } from '@backhaul/runtime';
import { type InstallerLine, type InstallerRequest, installerLine } from '../installer/protocol.ts';

export type InstallerProgress =
  | { readonly type: 'verified' | 'started' }
  | { readonly type: 'percent'; readonly percent: number };

/** Between two lines: more than the largest artifact takes to be hashed on a slow disk, which is done without a word. */
const SILENCE_MS = 600_000;

/** Asks the installer process over its socket. One connection for each request. */
export class InstallerClient {
  readonly #socketPath: string;
  readonly #clock: Clock;

  constructor(socketPath: string, clock: Clock) {
    this.#socketPath = socketPath;
    this.#clock = clock;
  }

  /**
   * Resolves when the installer says yes (judge) or done (install). Throws its refusal; BH-E-INSTALL (retryable) when it is not
   * there, ends in the middle, or says nothing for ten minutes.
   */
  async ask(
    request: InstallerRequest,
    signal: AbortSignal,
    onProgress: (progress: InstallerProgress) => void = () => {},
  ): Promise<void> {
    const socket = connect(this.#socketPath);
    const abort = () => socket.destroy();
    signal.addEventListener('abort', abort, { once: true });
    const silence = new SilenceLimit(this.#clock, abort);
    try {
      await exchange(socket, request, onProgress, () => silence.broken());
    } finally {
      silence.end();
      signal.removeEventListener('abort', abort);
      socket.destroy();
    }
  }
}

class SilenceLimit {
  readonly #clock: Clock;
  readonly #onSilence: () => void;
  #timer: Timer;

  constructor(clock: Clock, onSilence: () => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
    this.#timer = clock.after(SILENCE_MS, onSilence);
  }

  broken(): void {
    this.#timer.cancel();
    this.#timer = this.#clock.after(SILENCE_MS, this.#onSilence);
  }

  end(): void {
    this.#timer.cancel();
  }
}

function exchange(
  socket: Socket,
  request: InstallerRequest,
  onProgress: (progress: InstallerProgress) => void,
  onLine: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (cause?: Error) =>
      reject(new BackhaulError('BH-E-INSTALL', { detail: 'the installer does not answer', cause }));
    socket.once('error', gone).once('close', () => gone());
    socket.write(`${JSON.stringify(request)}\n`);
    const lines = createInterface({ input: socket });
    lines.on('error', gone); // readline passes the socket's error on
    lines.on('line', (text) => {
      onLine();
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
