import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a request passes before it is answered, in the form that Express has for it; works without Express, too. */
export type Stage = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;
