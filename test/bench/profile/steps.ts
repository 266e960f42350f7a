/** A step of a message through one process. */
export interface Step {
  readonly name: string;
  /** of files, as they stand in a checkout or in node_modules */
  readonly files: readonly RegExp[];
}

const own = (path: string): RegExp => new RegExp(`/(?:packages/)?${path}`);
const library = (name: string): RegExp => new RegExp(`/node_modules/${name}/`);

/**
 * By file, the first that matches; a sample belongs to the innermost of its frames that matches any, so that what a step has
 * done for it by Node or by a library counts as its own.
 */
export const STEPS: readonly Step[] = [
  {
    name: 'parse: unpack, MIME, header',
    files: [
      own('envelope/dist/decode-body'),
      own('envelope/dist/mime/(?:part-scanner|part-headers|message-pairs|boundary)'),
      own('envelope/dist/envelope/(?:read-envelope|to-message)'),
      own('envelope/dist/header/(?:read-header|canonical-header)'),
      own('transport/dist/request-body'),
    ],
  },
  {
    name: 'accept: JSON, checks, header and body written',
    files: [
      own('proxy/dist/(?:accept|api|directory)/'),
      own('envelope/dist/(?:classes|content|xml)/'),
      own('envelope/dist/header/write-header'),
      own('transport/dist/outbox/'),
      library('(?:body-parser|raw-body|iconv-lite|zod|express|router)'),
    ],
  },
  {
    name: 'route: source, seen, modules, custody',
    files: [
      own('mlm/dist/(?:forward|aggregation|membership|transfers)/'),
      own('modules/dist/'),
      own(
        'appserver/dist/(?:receiver/(?:receive|receiver|seen|intervals|epochs|refusals|event-keys)|directory|service-modules)',
      ),
    ],
  },
  {
    name: 'forward: own hop, envelope, pack, send',
    files: [
      own('transport/dist/(?:forwarder|envelope-sender|own-hop|compression|joined|link-|parent-|pace|outbound-proxy)'),
      own('envelope/dist/header/append-hop'),
      own('envelope/dist/mime/part-writer'),
      own('envelope/dist/envelope/write-envelope'),
      library('(?:undici|p-queue)'),
    ],
  },
  {
    name: 'settle: verdicts, what has left the spool',
    files: [
      own('transport/dist/verdict-settlement'),
      own('envelope/dist/reply/'),
      own('spool/dist/(?:departure|lane-record|interval)'),
      library('fast-xml-parser'),
    ],
  },
  {
    name: 'store: records, commit',
    files: [
      own('spool/dist/'),
      own('appserver/dist/(?:store|receiver/(?:message-writer|group-commit)|ledger)'),
      library('(?:classic-level|abstract-level)'),
    ],
  },
  {
    name: 'exchange: the request around it',
    files: [
      own('transport/dist/'),
      own('runtime/dist/'),
      own('identity/dist/'),
      own('mlm/dist/'),
      own('appserver/dist/'),
      own('proxy/dist/'),
    ],
  },
];

export const COLLECTION = 'collection of garbage';
export const NODE = 'Node: HTTP, TLS, sockets, timers';
