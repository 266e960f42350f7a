import { parentPort } from 'node:worker_threads';
import { runTwiceIfAsked, type SeedRequest } from './run-many.ts';

/** A thread that runs one world after the other, as it is asked to. */
parentPort!.on('message', (request: SeedRequest) => {
  void runTwiceIfAsked(request).then((result) => parentPort!.postMessage(result));
});
