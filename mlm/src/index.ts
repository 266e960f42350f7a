export { DOWNWARD_STEPS } from './back-channel/back-channel.ts';
export { type MlmConfig, mlmConfig } from './config.ts';
export { FORWARD_STAGES } from './forward/forward-path.ts';
export { type MlmOptions, type MlmParts, mlmParts } from './mlm.ts';
export { type RunMlmOptions, runMlm } from './run-mlm.ts';
