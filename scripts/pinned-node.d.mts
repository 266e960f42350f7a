export function pinnedNode(from: string): string;
export function youngFlags(verb: string | undefined): readonly string[];
export function nodeFlags(options: { sources: boolean }): readonly string[];
export function nodeEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
