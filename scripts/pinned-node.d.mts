export function pinnedNode(from: string): string;
export function nodeFlags(options: { sources: boolean }): readonly string[];
