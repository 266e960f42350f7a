import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { aggregateConfig, aggregateModule } from './aggregate.ts';
import { filterConfig, filterModule } from './filter.ts';
import type { MidStreamModule } from './mid-stream.ts';
import { throttleConfig, throttleModule } from './throttle.ts';

/** One entry of `modules` in the configuration of an MLM: the built-in modules, by name. */
export const moduleConfig = z.discriminatedUnion('use', [filterConfig, aggregateConfig, throttleConfig]);
export type ModuleConfig = z.output<typeof moduleConfig>;

export interface LoadedModule {
  readonly module: MidStreamModule;
  readonly use: string;
  /** what becomes of a message on which it fails */
  readonly onFault: 'pass' | 'refuse';
  /** faults in a row after which it is taken out */
  readonly maxFaults: number;
}

/** The modules of a configuration, in its order, not started. Throws BH-E-CONFIG that names the entry and what is wrong. */
export function loadModules(entries: readonly unknown[]): LoadedModule[] {
  const names = new Set<string>();
  return entries.map((entry, index) => {
    const config = parseEntry(entry, `modules[${index}]`);
    const module = create(config);
    if (names.has(module.name)) {
      throw new BackhaulError('BH-E-CONFIG', {
        detail: `modules[${index}]: the name ${module.name} is taken; give it a name`,
      });
    }
    names.add(module.name);
    return { module, use: config.use, onFault: config.onFault, maxFaults: config.maxFaults };
  });
}

function parseEntry(entry: unknown, path: string): ModuleConfig {
  const parsed = moduleConfig.safeParse(entry);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = [path, ...(issue?.path ?? []).map(String)].join('.');
  throw new BackhaulError('BH-E-CONFIG', { detail: `${where}: ${issue?.message ?? 'not a module'}` });
}

function create(config: ModuleConfig): MidStreamModule {
  switch (config.use) {
    case 'filter':
      return filterModule(config);
    case 'aggregate':
      return aggregateModule(config);
    case 'throttle':
      return throttleModule(config);
  }
}
