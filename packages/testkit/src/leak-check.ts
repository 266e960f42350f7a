/** What of the event loop a test must not leave open. */
const WATCHED = new Set(['TCPServerWrap', 'PipeServerWrap', 'TCPSocketWrap', 'PipeWrap', 'TLSWrap', 'ProcessWrap']);

interface Hooks {
  before(action: () => void): void;
  after(action: () => Promise<void>): void;
}

/** In a `describe`: fails when servers, sockets or processes are left open after its tests. `leakCheck({ before, after })`. */
export function leakCheck(hooks: Hooks): void {
  let earlier = new Map<string, number>();
  hooks.before(() => {
    earlier = openResources();
  });
  hooks.after(async () => {
    const leaked = await leftOver(earlier);
    if (leaked.length > 0) throw new Error(`left open: ${leaked.join(', ')}`);
  });
}

/** Sockets take a moment to close. */
async function leftOver(earlier: Map<string, number>): Promise<string[]> {
  for (let round = 0; ; round++) {
    const more = [...openResources()].filter(([kind, count]) => count > (earlier.get(kind) ?? 0));
    if (more.length === 0 || round === 50) return more.map(([kind, count]) => `${count} ${kind}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function openResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (WATCHED.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}
