// Plain JavaScript that Node 20 can run: which Node runs Backhaul. The lock file pins it as an optional dependency for the
// platforms that npm has it for; elsewhere the machine's own Node serves when it is new enough.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

const MAJOR = 24;

/** What is not needed at rest is given back (`MemoryAtRest`): that is what the collector's function is for. */
const FLAGS = ['--expose-gc', '--disable-warning=ExperimentalWarning'];

/**
 * Young objects get 4 MiB instead of V8's 16: what stands at customers' sites is idle most of the time, fetches large files,
 * and is no slower with it. The application server takes a seventh less processor time a message with 32 (docs/performance.md).
 */
const YOUNG_MIB = 4;
const YOUNG_MIB_OF = { appserver: 32 };

/**
 * Where two cores have to do for everything, threads that help to collect garbage wait for a core themselves, and all wait for
 * them: one thread alone halves the longest waits and costs no throughput (docs/performance.md).
 */
const FEW_CORES = 2;

/** How much young objects may take, by the first word of the command. */
export function youngFlags(verb) {
  return [`--max-semi-space-size=${YOUNG_MIB_OF[verb] ?? YOUNG_MIB}`];
}

/** What Backhaul's Node is started with; in a checkout the sources run as they are. */
export function nodeFlags({ sources }) {
  const collecting = availableParallelism() <= FEW_CORES ? ['--single-threaded-gc'] : [];
  return [...FLAGS, ...collecting, ...(sources ? ['--conditions=backhaul-source'] : [])];
}

/**
 * glibc keeps what threads have freed, and grows its heap for large blocks after the first one; with these an application
 * server is 35 MiB smaller at rest. Other C libraries take no notice. What the operator has set wins.
 */
export function nodeEnvironment(env) {
  return { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '262144', ...env };
}

export function pinnedNode(from) {
  const require = createRequire(from);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  try {
    const home = dirname(require.resolve(`node-${platform}-${process.arch}/package.json`));
    const binary = join(home, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (existsSync(binary)) return binary;
  } catch {
    // not published for this platform: fall through to the machine's own
  }
  if (Number(process.versions.node.split('.')[0]) >= MAJOR) return process.execPath;
  console.error(
    `backhaul: needs Node ${MAJOR}; this is ${process.version}, and no pinned one exists for ${process.platform}-${process.arch}. Install Node ${MAJOR} or newer.`,
  );
  process.exit(1);
}
