import { systemClock } from '@backhaul/runtime';
import { temporaryDirectory } from '@backhaul/testkit';
import type { ArtifactFile } from '@backhaul/transport';
import { ThinLine } from '../measure/thin-line.ts';
import { monotonicMs } from './crowd.ts';
import { LightProxy } from './light-proxy.ts';
import { offerMessage } from './messages.ts';
import { MlmRow } from './mlm-row.ts';
import { localAddressOf, mlmId, proxyId, TRUST_DOMAIN } from './names.ts';
import { randomFile } from './random-file.ts';
import { StandInParent } from './stand-in-parent.ts';

const WITHIN_MS = 600_000;

/** One MLM with a file above it; the first of its proxies listens for the offer, which comes when the file is there. */
export class ArtifactRow {
  readonly file: ArtifactFile;
  readonly parent: StandInParent;
  readonly row: MlmRow;
  /** between the MLM and its parent, if the bytes are to be counted */
  readonly line: ThinLine | undefined;
  readonly #listener: LightProxy;
  readonly #remove: () => Promise<void>;
  #offers = 0;
  #offered: () => void = () => {};

  private constructor(parts: Pick<ArtifactRow, 'file' | 'parent' | 'row' | 'line'>, remove: () => Promise<void>) {
    this.file = parts.file;
    this.parent = parts.parent;
    this.row = parts.row;
    this.line = parts.line;
    this.#remove = remove;
    this.#listener = new LightProxy({
      ...{ id: proxyId(0), trustDomain: TRUST_DOMAIN, parentUrl: this.row.lowestUrl },
      ...{ localAddress: localAddressOf(0), onMessages: () => this.#offered() },
    });
  }

  static async start(size: number, proxies: number, counted = false): Promise<ArtifactRow> {
    const ends: (() => Promise<void>)[] = [];
    const remove = async (): Promise<void> => {
      for (const end of ends.splice(0).toReversed()) await end();
    };
    try {
      const folder = await temporaryDirectory('bh-artifact-');
      ends.push(folder.remove);
      const file = await randomFile(folder.path, size);
      const parent = await new StandInParent().start();
      ends.push(() => parent.stop());
      parent.artifacts.set(file.sha256, file);
      const line = counted ? await ThinLine.start(parent.url) : undefined;
      if (line) ends.push(() => line.stop());
      const parentUrl = line?.through(parent.url) ?? parent.url;
      const row = await MlmRow.start({ proxies, parentUrl });
      ends.push(() => row.stop());
      const whole = new ArtifactRow({ file, parent, row, line }, remove);
      ends.push(async () => whole.#listener.stop());
      await whole.#listener.start();
      return whole;
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /** Ms from the offer above until the offer below: the MLM has fetched the file, verified it, synced it and named it. */
  async offer(): Promise<number> {
    const came = new Promise<void>((resolve) => (this.#offered = resolve));
    const late = new AbortController();
    const inTime = systemClock.sleep(WITHIN_MS, late.signal).then(() => {
      if (!late.signal.aborted) throw new Error('the MLM did not fetch the artifact in time');
    });
    const from = monotonicMs();
    await this.parent.send(mlmId(), [offerMessage(this.file.sha256, this.file.size, ++this.#offers)]);
    await Promise.race([came, inTime]);
    const ms = monotonicMs() - from;
    late.abort();
    return ms;
  }

  /** Where a child fetches it. */
  get url(): string {
    return `${this.row.lowestUrl}/v1/artifacts/${this.file.sha256}`;
  }

  stop(): Promise<void> {
    return this.#remove();
  }
}
