import { type Agent, FormData, request } from 'undici';
import type { RoleProcess } from './role-process.ts';

/** One call of the staff API; throws with the problem's code. */
export async function staffCall<T>(
  agent: Agent,
  appserver: RoleProcess,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const isForm = body instanceof FormData;
  const reply = await request(`${appserver.runtime!.listeners.staff}/api/v1${path}`, {
    method: method as 'GET',
    dispatcher: agent,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : isForm ? body : JSON.stringify(body),
  });
  const text = await reply.body.text();
  if (reply.statusCode >= 400) throw new Error(`${method} ${path}: ${reply.statusCode} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
