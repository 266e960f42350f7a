/** Whoever listens is told of what nobody caught, instead of the process ending. Returns how to stop listening. */
export function uncaught(listener: (error: unknown) => void): () => void {
  process.on('unhandledRejection', listener);
  return () => void process.off('unhandledRejection', listener);
}
