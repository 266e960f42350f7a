/** Does it the first time it is called, and nothing after that. */
export function once(action: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    action();
  };
}
