import type { Clock, Component, Logger, Timer } from '@backhaul/runtime';
import { DAY_MS, HOUR_MS } from './certificate-profile.ts';
import type { HttpsListener } from './https-listener.ts';
import type { Issuer } from './issuer.ts';
import type { OwnCertificate } from './own-certificate.ts';
import type { TokenStore } from './token-store.ts';

const WARN_BEFORE_END_MS = 180 * DAY_MS;

export interface MaintenanceOptions {
  readonly own: OwnCertificate;
  readonly tokens: TokenStore;
  readonly issuer: Issuer;
  readonly listeners: readonly HttpsListener[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the authority looks after at start and every hour: its own certificate, ended tokens, the issuing certificate's end. */
export class Maintenance implements Component {
  readonly name = 'maintenance';
  readonly #options: MaintenanceOptions;
  #timer: Timer | undefined;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#round();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#options.clock.after(HOUR_MS, () => {
      this.#round().catch((error) => this.#options.logger.error({ error }, 'maintenance failed, will be tried again'));
      this.#schedule();
    });
  }

  async #round(): Promise<void> {
    const { own, tokens, issuer, listeners, clock, logger } = this.#options;
    if (await own.refresh()) {
      for (const listener of listeners) listener.renewTls();
      logger.info({}, 'own certificate made anew');
    }
    const pruned = await tokens.prune();
    if (pruned > 0) logger.info({ pruned }, 'ended tokens removed');
    const leftMs = issuer.endsAt - clock.now();
    if (leftMs < WARN_BEFORE_END_MS)
      logger.warn({ daysLeft: Math.floor(leftMs / DAY_MS) }, 'the issuing certificate ends soon');
  }
}
