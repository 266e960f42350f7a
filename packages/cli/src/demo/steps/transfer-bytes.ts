import { z } from 'zod';
import type { PushDocument } from '../../api-shapes.ts';
import { waitUntil } from '../../wait-until.ts';
import type { DemoRun } from '../demo-run.ts';

const bytesShape = z.looseObject({ wanBytes: z.number(), lanBytes: z.number() });
const SETTLE_MS = 10_000;
const LOOK_EVERY_MS = 200;

/** Bytes of one push over the WAN and on the LAN, as the MLM has reported them. */
export async function transferBytes(run: DemoRun, push: PushDocument): Promise<{ wan: number; lan: number }> {
  const ask = () => run.api.get(`/pushes/${encodeURIComponent(push.id)}`, z.looseObject({}));
  const complete = (document: unknown) => (bytesShape.safeParse(document).data?.lanBytes ?? 0) > 0;
  const { answer } = await waitUntil(run.cli.clock, ask, complete, { timeoutMs: SETTLE_MS, everyMs: LOOK_EVERY_MS });
  const { wanBytes, lanBytes } = bytesShape.parse(answer);
  return { wan: wanBytes, lan: lanBytes };
}
