import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoneProgram, startAlone } from './peer-program.ts';

/** nginx with sendfile over the files of a folder. */
export async function nginxFiles(folder: string): Promise<LoneProgram> {
  return startAlone('files', 'nginx', async (own, port) => {
    const file = join(own, 'nginx.conf');
    await writeFile(file, settings(own, folder, port));
    return ['-p', own, '-c', file, '-e', join(own, 'error.log')];
  });
}

function settings(own: string, folder: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
user root;
worker_processes auto;
pid ${own}/nginx.pid;
error_log ${own}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  ${temporary.map((name) => `${name}_temp_path ${own}/${name};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`;
}
