import { usage, type Verb } from '../verb.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** Made from the same list as the command tree. */
export function completionVerb(verbs: () => readonly Verb[]): Verb {
  return {
    path: 'completion',
    summary: 'print a completion script for a shell',
    arguments: [['<shell>', SHELLS.join(', ')]],
    examples: [
      'source <(backhaul completion bash)',
      'backhaul completion fish > ~/.config/fish/completions/backhaul.fish',
    ],
    run: async ({ args }) => {
      const words = wordsOf(verbs());
      const script = scriptFor(args[0]!, words);
      if (script === undefined) throw usage(`no completion for ${args[0]}; there is ${SHELLS.join(', ')}`);
      return { json: { shell: args[0], script }, text: script };
    },
  };
}

interface Words {
  readonly first: readonly string[];
  /** after a first word: the second words, then its options */
  readonly after: ReadonlyMap<string, readonly string[]>;
}

function wordsOf(verbs: readonly Verb[]): Words {
  const after = new Map<string, string[]>();
  for (const verb of verbs) {
    if (verb.internal) continue;
    const [first, second] = verb.path.split(' ') as [string, string | undefined];
    const words = after.get(first) ?? [];
    const options = (verb.options ?? []).map(([flags]) => flags.split(' ')[0]!);
    after.set(first, [
      ...new Set([...words, ...(second === undefined ? [] : [second]), ...options, '--json', '--help']),
    ]);
  }
  return { first: [...after.keys()], after };
}

function scriptFor(shell: string, words: Words): string | undefined {
  if (shell === 'bash') return bashScript(words);
  if (shell === 'zsh') return `#compdef backhaul\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`;
  return shell === 'fish' ? fishScript(words) : undefined;
}

function bashScript({ first, after }: Words): string {
  const cases = [...after].map(([word, next]) => `    ${word}) words="${next.join(' ')}" ;;`);
  return `_backhaul() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  if [ "$COMP_CWORD" -eq 1 ]; then words="${first.join(' ')} --help --version"; else
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    *) words="" ;;
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _backhaul backhaul`;
}

function fishScript({ first, after }: Words): string {
  const lines = [`complete -c backhaul -n __fish_use_subcommand -a '${first.join(' ')}'`];
  for (const [word, next] of after) {
    lines.push(`complete -c backhaul -n '__fish_seen_subcommand_from ${word}' -a '${next.join(' ')}'`);
  }
  return lines.join('\n');
}
