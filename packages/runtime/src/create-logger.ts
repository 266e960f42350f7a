import { createRequire } from 'node:module';
import { type Logger as Pino, pino } from 'pino';
import type { Logger } from './logging.ts';
import { safeFields, safeText } from './safe-log-fields.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly role: string;
  readonly level?: string;
  /** `auto`: pretty when standard output is a terminal, else JSON. */
  readonly format?: 'json' | 'pretty' | 'auto';
  /** Where lines go; standard output unless told. */
  readonly destination?: NodeJS.WritableStream;
}

/** One JSON object per line on standard output (or pretty text on a terminal), written before the call returns. */
export function createLogger(options: LoggerOptions): Logger {
  const settings = {
    level: options.level ?? 'info',
    messageKey: 'message',
    base: { role: options.role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return new PinoLogger(pino(settings, openDestination(options)));
}

function openDestination(options: LoggerOptions): pino.DestinationStream {
  const terminal = options.destination === undefined && process.stdout.isTTY === true;
  const format = options.format ?? 'auto';
  if (format === 'pretty' || (format === 'auto' && terminal)) {
    // loaded for a terminal only: a service writes JSON
    const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
    return pretty({
      messageKey: 'message',
      colorize: terminal,
      ignore: 'pid',
      translateTime: 'HH:MM:ss.l',
      singleLine: true,
      errorLikeObjectKeys: [], // errors are plain fields by now; one event stays one line
      sync: true,
      destination: options.destination ?? 1,
    });
  }
  if (options.destination !== undefined) return options.destination;
  const stdout = pino.destination({ fd: 1, sync: true });
  stdout.on('error', () => {}); // a closed pipe must not end the role
  return stdout;
}

class PinoLogger implements Logger {
  readonly #pino: Pino;

  constructor(inner: Pino) {
    this.#pino = inner;
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message);
  }

  child(fields: object): Logger {
    return new PinoLogger(this.#pino.child(safeFields(fields)));
  }

  #write(level: LogLevel, fields: object, message: string): void {
    if (!this.#pino.isLevelEnabled(level)) return;
    this.#pino[level](safeFields(fields), safeText(message));
  }
}
