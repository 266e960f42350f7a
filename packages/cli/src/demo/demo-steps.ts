import type { DemoRun } from './demo-run.ts';
import { checkCommands } from './steps/check-commands.ts';
import { checkForeignPush } from './steps/check-foreign-push.ts';
import { checkLedger } from './steps/check-ledger.ts';
import { checkPush } from './steps/check-push.ts';
import { checkUpward } from './steps/check-upward.ts';
import { enrolSite } from './steps/enrol-site.ts';
import { logIn } from './steps/log-in.ts';
import { registerSite } from './steps/register-site.ts';
import { startProvider } from './steps/start-provider.ts';
import { startSite } from './steps/start-site.ts';
import { takeUpFolder } from './steps/take-up-folder.ts';

export interface DemoStep {
  /** what it does, in words: shown when it did not happen */
  readonly does: string;
  /** Gives the progress line; throws when it did not happen. */
  run(run: DemoRun): Promise<string>;
}

/** The main job, from an empty folder to an explained ledger. */
export const DEMO_STEPS: readonly DemoStep[] = [
  takeUpFolder,
  startProvider,
  logIn,
  registerSite,
  enrolSite,
  startSite,
  checkUpward,
  checkCommands,
  checkPush,
  checkForeignPush,
  checkLedger,
];
