import { type Content, jsonData, jsonOf, writeContent } from '@backhaul/envelope';
import type { Merged, ModuleChain } from '@backhaul/modules';
import type { Draft } from '@backhaul/transport';
import { ModuleView } from '../forward/module-view.ts';
import { rangesOf, type SeenRange } from '../forward/ranges.ts';
import type { HoldingGroup } from './aggregation.ts';

/** One range of what an aggregate was made of, as it stands in its `inputs` [A2]. */
export type Input = SeenRange;

/**
 * What a group becomes: one aggregate that lists its inputs. When the module cannot merge (it failed, is gone, or the
 * result is too large) the parts go on one by one with their bodies as they came; their own places in the order are
 * taken by the receipt already, so each gets a new one. Nothing held is ever lost to a module.
 */
export function aggregateDrafts(chain: ModuleChain, group: HoldingGroup, now: number, newId: () => string): Draft[] {
  const views = group.parts.map(({ message }) => new ModuleView(message));
  const merged = chain.merge(group.module, group.key, views);
  const content = merged === undefined ? undefined : withInputs(merged, inputsOf(group));
  if (merged === undefined || content === undefined) return partDrafts(group, now, newId);
  return [
    {
      id: group.id,
      lane: group.lane,
      ...merged.header,
      content,
      instance: common(group, (header) => header.instance),
      sourceType: common(group, (header) => header.sourceType),
      expiresInMs: lastExpiry(group, now),
    },
  ];
}

export function inputsOf({ parts }: HoldingGroup): Input[] {
  return rangesOf(parts.map(({ message }) => message.header));
}

/** Undefined when the content has no place for the list, or cannot be written with it (it is too large). */
function withInputs({ content }: Merged, inputs: readonly Input[]): Content | undefined {
  if (content.type !== 'data' || content.mimeType !== 'application/json') return undefined;
  try {
    const value = jsonOf(content);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const whole = jsonData({ ...value, inputs });
    writeContent(whole);
    return whole;
  } catch {
    return undefined;
  }
}

function partDrafts(group: HoldingGroup, now: number, newId: () => string): Draft[] {
  return group.parts.map(({ message: { header, body }, expiresAt }, i) => ({
    id: i === 0 ? group.id : newId(),
    lane: group.lane,
    classification: header.classification,
    class: header.class,
    subclass: header.subclass,
    content: { type: header.contentType, bytes: body },
    instance: header.instance,
    sourceType: header.sourceType,
    eventKey: header.eventKey,
    traceparent: header.traceparent,
    madeAt: header.madeAt,
    expiresInMs: expiresAt === undefined ? undefined : Math.max(1, expiresAt - now),
  }));
}

function common<T>(
  group: HoldingGroup,
  read: (header: HoldingGroup['parts'][number]['message']['header']) => T,
): T | undefined {
  const values = new Set(group.parts.map(({ message }) => read(message.header)));
  return values.size === 1 ? [...values][0] : undefined;
}

/** An aggregate lives as long as the longest of its parts. */
function lastExpiry({ parts }: HoldingGroup, now: number): number | undefined {
  const expiries = parts.flatMap(({ expiresAt }) => (expiresAt === undefined ? [] : [expiresAt]));
  return expiries.length < parts.length ? undefined : Math.max(1, Math.max(...expiries) - now);
}
