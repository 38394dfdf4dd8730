/** `sessionfs completion SHELL`: a script that completes commands, flags and values, made from the table of commands. */
import { type CommandSpec, type FlagSpec, type Invocation, print } from './command.ts';

export async function run({ commands, directory: shell = '' }: Invocation): Promise<number> {
  print(completionScript(shell, commands));
  return 0;
}

export function completionScript(shell: string, commands: readonly CommandSpec[]): string {
  if (shell === 'zsh') return zsh(commands);
  return shell === 'fish' ? fish(commands) : bash(commands);
}

const HELP: FlagSpec = { flag: '--help', short: '-h', meaning: 'print this help' };

function flagsOf(spec: CommandSpec): FlagSpec[] {
  return [...spec.flags, HELP];
}

function bash(commands: readonly CommandSpec[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  return `# bash completion of sessionfs: source <(sessionfs completion bash)
_sessionfs() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    [[ \${COMP_WORDS[index]} == -- ]] && { COMPREPLY=($(compgen -c -f -- "$current")); return; }
  done
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${names} help --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]} $previous" in
${commands.flatMap(bashValues).join('\n')}
  esac
  local words=
  case \${COMP_WORDS[1]} in
    help) words="${names}" ;;
${commands.map(bashWords).join('\n')}
  esac
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$words" -- "$current"))
  else COMPREPLY=($(compgen -W "\${words%%--*}" -f -- "$current")); fi
}
complete -o filenames -F _sessionfs sessionfs`;
}

function bashValues({ name, flags }: CommandSpec): string[] {
  return flags
    .filter(({ placeholder }) => placeholder !== undefined)
    .map(({ flag, choices }) => {
      const source = choices === undefined ? '-f' : `-W "${choices.join(' ')}"`;
      return `    "${name} ${flag}") COMPREPLY=($(compgen ${source} -- "$current")); return ;;`;
    });
}

function bashWords(spec: CommandSpec): string {
  const words = [
    ...spec.operands.flatMap(({ choices }) => choices ?? []),
    ...flagsOf(spec).map(({ flag }) => flag),
  ];
  return `    ${spec.name}) words="${words.join(' ')}" ;;`;
}

function zsh(commands: readonly CommandSpec[]): string {
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`);
  return `#compdef sessionfs
# zsh completion of sessionfs: sessionfs completion zsh > "\${fpath[1]}/_sessionfs"
_sessionfs() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  words=("\${(@)words[2,-1]}")
  ((CURRENT--))
  case $command in
    help) _describe command commands ;;
${commands.map(zshCase).join('\n')}
  esac
}
compdef _sessionfs sessionfs`;
}

function zshCase(spec: CommandSpec): string {
  const flags = flagsOf(spec).map(({ flag, placeholder, choices, meaning }) => {
    const about = meaning.replace(/[[\]:\\]/g, '\\$&');
    const value =
      placeholder === undefined ? '' : `:${placeholder.replaceAll(':', '\\:')}:${zshSource(choices)}`;
    return quoted(`${flag}[${about}]${value}`);
  });
  const operands = spec.operands.map(({ name, choices }) => quoted(`:${name}:${zshSource(choices)}`));
  return `    ${spec.name}) _arguments ${[...flags, ...operands].join(' ')} ;;`;
}

function zshSource(choices: readonly string[] | undefined): string {
  return choices === undefined ? '_files' : `(${choices.join(' ')})`;
}

function fish(commands: readonly CommandSpec[]): string {
  const first = commands.map(
    ({ name, summary }) =>
      `complete -c sessionfs -n __fish_use_subcommand -f -a ${name} -d ${fishQuoted(summary)}`,
  );
  const flags = commands.flatMap((spec) => {
    const seen = `complete -c sessionfs -n '__fish_seen_subcommand_from ${spec.name}'`;
    const values = spec.operands.flatMap(({ choices }) =>
      choices === undefined ? [] : [`${seen} -f -a '${choices.join(' ')}'`],
    );
    return [...values, ...flagsOf(spec).map((flag) => `${seen} ${fishFlag(flag)}`)];
  });
  return ['# fish completion of sessionfs: sessionfs completion fish | source', ...first, ...flags].join(
    '\n',
  );
}

function fishFlag({ flag, placeholder, choices, meaning }: FlagSpec): string {
  const value =
    placeholder === undefined ? '' : choices === undefined ? ' -r' : ` -x -a '${choices.join(' ')}'`;
  return `-l ${flag.slice(2)}${value} -d ${fishQuoted(meaning)}`;
}

/** Within single quotes, as sh and zsh read them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
