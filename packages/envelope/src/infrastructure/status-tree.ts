import { BackhaulError } from '@backhaul/runtime';
import type { Content, Data } from '../message.ts';
import { escapeText } from '../xml/characters.ts';
import * as field from '../xml/fields.ts';
import { attribute, freeText, oneOf } from '../xml/fields.ts';
import { optional } from '../xml/optional.ts';
import { parseXml } from '../xml/parse-xml.ts';
import type { XmlElement } from '../xml/xml-element.ts';
import { xmlOf } from './receipts.ts';

/** What a heartbeat tells of: a proxy holds its integrators, those their platforms, those the support instances. */
export const STATUS_KINDS = ['appserver', 'mlm', 'proxy', 'integrator', 'platform', 'instance'] as const;
export type StatusKind = (typeof STATUS_KINDS)[number];

/** `degraded`: works, but somebody should look; `unknown`: it cannot be told, and the detail says why. */
export const STATUS_STATES = ['ok', 'degraded', 'failed', 'unknown'] as const;
export type StatusState = (typeof STATUS_STATES)[number];

export interface StatusNode {
  readonly kind: StatusKind;
  readonly id: string;
  readonly state: StatusState;
  /** software version */
  readonly version?: string;
  /** ms since 1970, when it came into this state */
  readonly since?: number;
  /** ms since 1970, when it was last heard of */
  readonly heardAt?: number;
  /** messages in its spool */
  readonly backlog?: number;
  /** ms the oldest of them has been waiting */
  readonly oldestMs?: number;
  /** ms until the next try to reach its parent */
  readonly nextRetryMs?: number;
  /** for people */
  readonly detail?: string;
  readonly children: readonly StatusNode[];
}

/** Attributes of `<component>`, in the order written. Compared with dtd/status.dtd by a test. */
export const COMPONENT_ATTRIBUTES = [
  'kind',
  'id',
  'state',
  'version',
  'since',
  'heardAt',
  'backlog',
  'oldestMs',
  'nextRetryMs',
] as const;

const ATTRIBUTES: ReadonlySet<string> = new Set(COMPONENT_ATTRIBUTES);
const ROOT_ATTRIBUTES: ReadonlySet<string> = new Set(['made']);
const DETAIL: ReadonlySet<string> = new Set();
const kind = oneOf(STATUS_KINDS);
const state = oneOf(STATUS_STATES);
/** platforms are named by their own system, so any text */
const nodeId = freeText(128);

/**
 * The content of an infrastructure/heartbeat message: text/xml inside the data element.
 * Throws BH-E-CHAR, BH-E-XML-VALUE.
 */
export function writeStatus(madeAt: number, root: StatusNode): Data {
  const text = `<status${attribute('made', field.time, madeAt)}>${writeNode(root)}</status>`;
  return { type: 'data', mimeType: 'text/xml', encoding: 'none', text };
}

function writeNode(node: StatusNode): string {
  return `<component${attribute('kind', kind, node.kind)}${attribute('id', nodeId, node.id)}${attribute('state', state, node.state)}${attribute('version', field.softwareVersion, node.version)}${attribute('since', field.time, node.since)}${attribute('heardAt', field.time, node.heardAt)}${attribute('backlog', field.count, node.backlog)}${attribute('oldestMs', field.duration, node.oldestMs)}${attribute('nextRetryMs', field.duration, node.nextRetryMs)}>${writeDetail(node)}${node.children.map(writeNode).join('')}</component>`;
}

function writeDetail({ detail }: StatusNode): string {
  return detail === undefined ? '' : `<detail>${escapeText(detail, 'status detail')}</detail>`;
}

/** Throws BH-E-XML-ELEMENT, BH-E-XML-VALUE and what `parseXml` throws. */
export function readStatus(content: Content): { readonly madeAt: number; readonly root: StatusNode } {
  const status = parseXml(xmlOf(content)).withAttributes(ROOT_ATTRIBUTES).withoutText();
  if (status.name !== 'status')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${status.name}> is not a status` });
  const [root] = status.children;
  if (root === undefined || status.children.length > 1)
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: 'a status holds one component' });
  return { madeAt: status.get('made', field.time), root: readNode(root) };
}

function readNode(element: XmlElement): StatusNode {
  if (element.name !== 'component')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${element.name}> in a status` });
  element.withAttributes(ATTRIBUTES).withoutText();
  const [first] = element.children;
  const detail = first?.name === 'detail' ? first.withAttributes(DETAIL).withoutChildren().text : undefined;
  return {
    kind: element.get('kind', kind),
    id: element.get('id', nodeId),
    state: element.get('state', state),
    ...optional('version', element.find('version', field.softwareVersion)),
    ...optional('since', element.find('since', field.time)),
    ...optional('heardAt', element.find('heardAt', field.time)),
    ...optional('backlog', element.find('backlog', field.count)),
    ...optional('oldestMs', element.find('oldestMs', field.duration)),
    ...optional('nextRetryMs', element.find('nextRetryMs', field.duration)),
    ...optional('detail', detail),
    children: element.children.slice(detail === undefined ? 0 : 1).map(readNode),
  };
}
