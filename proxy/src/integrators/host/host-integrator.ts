import { type Clock, type Component, type Logger, toBackhaulError, VERSION } from '@backhaul/runtime';
import { IntegratorClient, type IntegratorCommand } from '../integrator-client.ts';
import { ChangedAlarms } from './changed-alarms.ts';
import { collectDiskConfiguration } from './collectors/disk-configuration.ts';
import { collectInterfaces } from './collectors/interfaces.ts';
import { collectOsPackages } from './collectors/os-packages.ts';
import { collectPatches } from './collectors/patches.ts';
import { performanceCollector } from './collectors/performance.ts';
import { storageAlarmsCollector } from './collectors/storage-alarms.ts';
import { systemAlarmsCollector } from './collectors/system-alarms.ts';
import { collectSystemConfiguration } from './collectors/system-configuration.ts';
import type { HostOptions } from './host-options.ts';
import type { HostSystem } from './host-system.ts';
import type { AlarmReport, Collector, DataReport, Report } from './report.ts';

const PLATFORM = 'host';
const SAMPLE_SPACING_MS = 1_000;
const HEARTBEAT_MS = 30_000;
const COMMAND_WAIT_SECONDS = 25;
const AFTER_FAILURE_MS = 5_000;

export interface HostIntegratorOptions {
  readonly socketPath: string;
  readonly options: HostOptions;
  readonly host: HostSystem;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Feeds the proxy with what this machine knows about itself. It registers, tells everything once, then goes round: samples,
 * alarms (only what changed), inventories, heartbeats, and a poll for commands. All it knows of the proxy is the public API.
 */
export class HostIntegrator implements Component {
  readonly name = 'host-integrator';
  readonly #options: HostIntegratorOptions;
  readonly #aborter = new AbortController();
  readonly #alarms = new ChangedAlarms();
  readonly #client: IntegratorClient;
  #rounds: Promise<unknown> = Promise.resolve();
  #integrator = '';
  #instance = '';

  constructor(options: HostIntegratorOptions) {
    this.#options = options;
    const { socketPath, clock } = options;
    this.#client = new IntegratorClient({ socketPath, clock, signal: this.#aborter.signal });
  }

  async start(): Promise<void> {
    this.#rounds = this.#run();
  }

  async stop(): Promise<void> {
    this.#aborter.abort();
    await this.#rounds;
    await this.#client.close();
  }

  async #run(): Promise<void> {
    await this.#untilDone(() => this.#register());
    const { intervalMs, alarmIntervalMs } = this.#options.options;
    const inventories = [
      collectOsPackages,
      collectPatches,
      collectDiskConfiguration,
      collectSystemConfiguration(this.#options.clock),
    ];
    await Promise.all([
      this.#samples(),
      ...inventories.map((collect) => this.#every(intervalMs, () => this.#report(collect))),
      ...this.#alarmCollectors().map((collect) => this.#every(alarmIntervalMs, () => this.#report(collect))),
      this.#every(HEARTBEAT_MS, () => this.#client.heartbeat(this.#integrator, [{ id: this.#instance, state: 'ok' }])),
      this.#every(0, () => this.#takeCommands()),
    ]);
  }

  #alarmCollectors(): Collector[] {
    const { loadLimit, storageLimit } = this.#options.options;
    return [
      systemAlarmsCollector({ loadPerCpu: loadLimit }, this.#alarms),
      storageAlarmsCollector({ usedFraction: storageLimit }),
    ];
  }

  async #register(): Promise<void> {
    const { hostname, platform, release } = this.#options.host.facts();
    const managementId = this.#options.options.managementId ?? hostname;
    this.#integrator = await this.#client.registerIntegrator({ name: PLATFORM, platform: PLATFORM, version: VERSION });
    this.#instance = await this.#client.registerInstance({
      integrator: this.#integrator,
      platform: PLATFORM,
      managementId,
      name: hostname,
      type: 'computer',
      labels: { os: platform, release },
    });
  }

  /** Several samples a second apart at the start, then one an interval. */
  async #samples(): Promise<void> {
    const { startSamples, performanceIntervalMs } = this.#options.options;
    const collect = performanceCollector();
    const sample = () => this.#report(async (host) => [...(await collect(host)), ...(await collectInterfaces(host))]);
    for (let n = 1; n < startSamples && !this.#stopping; n++) {
      await this.#guarded(sample);
      await this.#pause(SAMPLE_SPACING_MS);
    }
    await this.#every(performanceIntervalMs, sample);
  }

  async #report(collect: Collector): Promise<void> {
    const reports = await collect(this.#options.host);
    const alarms = this.#alarms.changed(reports.filter(isAlarm));
    await this.#client.send(
      'data',
      reports.filter(isData).map((report) => this.#data(report)),
    );
    await this.#client.send(
      'alarms',
      alarms.map((alarm) => this.#alarm(alarm)),
    );
    this.#alarms.told(alarms);
  }

  #data({ class: class_, subclass, data }: DataReport): object {
    return { instance: this.#instance, class: class_, subclass, data };
  }

  #alarm({ kind: _, ...alarm }: AlarmReport): object {
    return { instance: this.#instance, occurredAt: this.#options.clock.now(), ...alarm };
  }

  async #takeCommands(): Promise<void> {
    const commands = await this.#client.commands(this.#integrator, COMMAND_WAIT_SECONDS);
    for (const command of commands) await this.#client.answer(command.id, await this.#perform(command));
  }

  async #perform({
    command,
  }: IntegratorCommand): Promise<{ status: 'done' | 'refused'; text: string; data?: unknown }> {
    if (command === 'ping') return { status: 'done', text: 'the host integrator is here' };
    if (command === 'get-status')
      return { status: 'done', text: 'facts of this host', data: this.#options.host.facts() };
    return { status: 'refused', text: `the host integrator does not know ${command}` };
  }

  get #stopping(): boolean {
    return this.#aborter.signal.aborted;
  }

  async #every(intervalMs: number, action: () => Promise<void>): Promise<void> {
    while (!this.#stopping) {
      const done = await this.#guarded(action);
      await this.#pause(done ? intervalMs : Math.max(AFTER_FAILURE_MS, intervalMs));
    }
  }

  async #untilDone(action: () => Promise<void>): Promise<void> {
    while (!this.#stopping && !(await this.#guarded(action))) await this.#pause(AFTER_FAILURE_MS);
  }

  /** One failed look is logged and done again next time; an integrator the proxy has forgotten registers anew. */
  async #guarded(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (thrown) {
      if (this.#stopping) return false;
      const error = toBackhaulError(thrown);
      this.#options.logger.warn(
        { code: error.code, detail: error.detail, cause: String(error.cause ?? '') },
        'a report did not get through',
      );
      if (error.code === 'BH-E-NOT-FOUND' && this.#integrator !== '') await this.#register().catch(() => {});
      return false;
    }
  }

  #pause(ms: number): Promise<void> {
    return this.#options.clock.sleep(ms, this.#aborter.signal);
  }
}

const isAlarm = (report: Report): report is AlarmReport => report.kind === 'alarm';
const isData = (report: Report): report is DataReport => report.kind === 'data';
