import type { FanOutPeer } from '../peers/fan-out-peer.ts';
import { Crowd } from './crowd.ts';
import { groupMessages } from './messages.ts';
import { MlmRow } from './mlm-row.ts';
import { mlmId } from './names.ts';
import { StandInParent } from './stand-in-parent.ts';

/** One MLM with connected members below it; a group message is put into its mailbox above. */
export async function backhaulFanOut(
  members: number,
): Promise<FanOutPeer & { readonly waiting: () => Promise<number> }> {
  const parent = await new StandInParent().start();
  const row = await MlmRow.start({ proxies: members, parentUrl: parent.url }).catch(async (error) => {
    await parent.stop();
    throw error;
  });
  const end = async (): Promise<void> => {
    await row.stop();
    await parent.stop();
  };
  const crowd = await Crowd.gather(new URL('proxy-crowd.ts', import.meta.url), members, row.lowestUrl).catch(
    async (error) => {
      await end();
      throw error;
    },
  );
  let sequence = 1;
  return {
    crowd,
    pids: row.pids,
    publish: async (payloads) => {
      const messages = groupMessages(payloads.length, sequence);
      sequence += payloads.length;
      await parent.send(mlmId(), messages);
    },
    waiting: async () => (await row.lowest.metrics()).get('backhaul_mlm_mailbox_messages') ?? Number.NaN,
    stop: async () => {
      await crowd.dismiss();
      await end();
    },
  };
}
