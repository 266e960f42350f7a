import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { BackhaulError, type Component, type Logger, listen, toBackhaulError } from '@backhaul/runtime';
import type { Installer } from './installer.ts';
import { type InstallerLine, type InstallerRequest, installerRequest, REQUEST_LINE_BYTES } from './protocol.ts';

const MAX_CONNECTIONS = 8;

/** The installer's socket: readable and writable by its own user alone. */
export class InstallerServer implements Component {
  readonly name = 'installer-server';
  readonly #socketPath: string;
  readonly #installer: Installer;
  readonly #logger: Logger;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(options: { socketPath: string; installer: Installer; logger: Logger }) {
    this.#socketPath = options.socketPath;
    this.#installer = options.installer;
    this.#logger = options.logger;
  }

  async start(): Promise<void> {
    await rm(this.#socketPath, { force: true });
    this.#server = createServer((socket) => void this.#serve(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
    await listen(this.#server, { path: this.#socketPath });
    await chmod(this.#socketPath, 0o600);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy());
    try {
      for await (const line of boundedLines(socket))
        await this.#handle(line, (answer) => socket.write(`${JSON.stringify(answer)}\n`));
    } catch (error) {
      this.#logger.debug({ error }, 'installer connection ended');
    }
    socket.destroy();
  }

  async #handle(line: string, answer: (line: InstallerLine) => void): Promise<void> {
    try {
      await this.#perform(readRequest(line), answer);
      answer({ ok: true });
    } catch (thrown) {
      const { code, detail } = toBackhaulError(thrown);
      if (code === 'BH-E-INTERNAL') this.#logger.error({ error: thrown }, 'installer request failed');
      answer({ ok: false, code, ...(detail === undefined ? {} : { detail }) });
    }
  }

  async #perform(request: InstallerRequest, answer: (line: InstallerLine) => void): Promise<void> {
    if (request.op === 'judge') await this.#installer.judge(request);
    else {
      await this.#installer.install(request, request.path, (progress) =>
        answer(
          progress.state === 'percent'
            ? { progress: 'percent', percent: progress.percent }
            : { progress: progress.state },
        ),
      );
    }
  }
}

function readRequest(line: string): InstallerRequest {
  try {
    return installerRequest.parse(JSON.parse(line));
  } catch (cause) {
    throw new BackhaulError('BH-E-JSON', { detail: 'not a request of the installer protocol', cause });
  }
}

/** Lines of a socket; a line beyond the bound ends the connection. */
async function* boundedLines(socket: Socket): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of socket.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > REQUEST_LINE_BYTES) throw new BackhaulError('BH-E-LIMIT-REQUEST');
  }
}
