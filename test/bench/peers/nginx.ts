import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, programPath } from '@backhaul/testkit';
import type { Peer, RunningPeer } from './peer.ts';
import { PeerProgram, startInOrder, stopAll } from './peer-program.ts';
import { programVersion } from './program-version.ts';

export const nginx: Peer = {
  name: 'nginx',
  title: 'nginx → nginx → Node, plain HTTP',
  durability: 'none: one message a request, answered by the final receiver, nothing kept on the way',
  settings: 'one worker each, kept connections on both hops, 64 requests under way; the receiver is node:http',
  missing: () => (programPath('nginx') ? undefined : 'nginx is not installed'),
  start: startNginx,
};

async function startNginx(folder: string): Promise<RunningPeer> {
  const [first, second, receiver] = [await freePort(), await freePort(), await freePort()];
  const programs = await startInOrder([
    () => startOne(folder, 'second', second, receiver),
    () => startOne(folder, 'first', first, second),
  ]);
  const [secondOne, firstOne] = programs;
  return {
    version: programVersion('nginx', ['-v']),
    processes: { 'first nginx': firstOne!.pid, 'second nginx': secondOne.pid },
    client: { kind: 'nginx', in: `http://127.0.0.1:${first}`, out: `http://127.0.0.1:${receiver}` },
    stop: () => stopAll(programs),
  };
}

function startOne(folder: string, name: string, port: number, next: number): Promise<PeerProgram> {
  const home = join(folder, name);
  mkdirSync(home);
  const config = join(home, 'nginx.conf');
  writeFileSync(config, nginxConfig(home, port, next));
  const words = ['-c', config, '-e', join(home, 'error.log')];
  return PeerProgram.start({ name, folder, command: 'nginx', words, port });
}

function nginxConfig(home: string, port: number, next: number): string {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${home}/${of};`);
  return `user root;
daemon off;
worker_processes 1;
pid ${home}/pid;
error_log ${home}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${places.join('\n  ')}
  upstream next { server 127.0.0.1:${next}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://next; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}
