const actions = new Set<() => void>();

/**
 * Runs `action`, which must not wait, when this process ends by whatever it can notice, Ctrl-C too: what a test or a bench has
 * started does not outlive it. @returns takes it back
 */
export function atExit(action: () => void): () => void {
  if (actions.size === 0) listen();
  actions.add(action);
  return () => void actions.delete(action);
}

let listening = false;

function listen(): void {
  if (listening) return;
  listening = true;
  process.on('exit', () => {
    for (const action of actions) action();
  });
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => process.exit(code));
}
