import type { Server, Socket } from 'node:net';
import { BackhaulError } from './errors.ts';

/** Binds a server to host and port (0: any free one) or to a socket path. Throws BH-E-PORT when it is taken or not allowed. */
export function listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => {
      server.off('listening', done);
      const place = 'path' in where ? where.path : `${where.host}:${where.port}`;
      const refused = cause.code === 'EADDRINUSE' || cause.code === 'EACCES' || cause.code === 'EADDRNOTAVAIL';
      reject(refused ? new BackhaulError('BH-E-PORT', { detail: `${place}: ${cause.code}`, cause }) : cause);
    };
    const done = () => {
      server.off('error', failed);
      resolve();
    };
    server.once('error', failed);
    server.once('listening', done);
    server.listen(where);
  });
}

/**
 * Closes a server: takes nothing new, lets requests under way end for up to `graceMs`, then cuts what is left. Works on
 * one that never listened.
 */
export function closeServer(server: Server & { closeAllConnections?(): void }, graceMs = 0): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections?.(), graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}

/** One address may have so many connections open, before and after the handshake; one too many is destroyed [T-A7]. */
export function boundPerAddress(server: Server, most: number): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 0) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
    if (count > most) socket.destroy();
  });
}

/** `127.0.0.1:8080`, `[::1]:8080` of a listening server. */
export function boundAddress(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') return address ?? '';
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
