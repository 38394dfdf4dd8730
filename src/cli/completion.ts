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

const HELP_COMMAND = ['help', 'print the help of a command'] as const;

function flagsOf(spec: CommandSpec): FlagSpec[] {
  return [...spec.flags, HELP];
}

function namesOf(commands: readonly CommandSpec[]): string {
  return commands.map(({ name }) => name).join(' ');
}

function summariesOf(commands: readonly CommandSpec[]): (readonly [name: string, summary: string])[] {
  return [...commands.map(({ name, summary }) => [name, summary] as const), HELP_COMMAND];
}

function bash(commands: readonly CommandSpec[]): string {
  const names = namesOf(commands);
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
  local flags= choices= files=-f
  case \${COMP_WORDS[1]} in
    help) choices="${names}" files= ;;
${commands.map(bashWords).join('\n')}
  esac
  ((COMP_CWORD == 2)) || choices= files=-f
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current"))
  else COMPREPLY=($(compgen -W "$choices" $files -- "$current")); fi
}
complete -o filenames -F _sessionfs sessionfs`;
}

function bashValues({ name, flags }: CommandSpec): string[] {
  return flags
    .filter(({ placeholder }) => placeholder !== undefined)
    .flatMap((flag) => {
      const offered = offeredFor(flag);
      const source = offered === undefined ? '-f' : `-W "${offered.join(' ')}"`;
      const names = [flag.flag, ...(flag.short === undefined ? [] : [flag.short])];
      return names.map(
        (term) => `    "${name} ${term}") COMPREPLY=($(compgen ${source} -- "$current")); return ;;`,
      );
    });
}

/** The first operand may be one of its choices only, unless it may be left out. */
function bashWords(spec: CommandSpec): string {
  const flags = flagsOf(spec).map(({ flag }) => flag);
  const [first] = spec.operands;
  const choices =
    first?.choices === undefined
      ? ''
      : ` choices="${first.choices.join(' ')}"${first.mayBeLeftOut === true ? '' : ' files='}`;
  return `    ${spec.name}) flags="${flags.join(' ')}"${choices} ;;`;
}

function offeredFor({ choices, offered }: FlagSpec): readonly string[] | undefined {
  return choices ?? offered;
}

function zsh(commands: readonly CommandSpec[]): string {
  const described = summariesOf(commands).map(([name, summary]) => `    ${quoted(`${name}:${summary}`)}`);
  return `#compdef sessionfs
# zsh completion of sessionfs: sessionfs completion zsh > "\${fpath[1]}/_sessionfs"
_sessionfs() {
  local -a names
  names=(
${described.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command names
    return
  fi
  local dashes=\${words[(i)--]}
  if ((dashes < CURRENT)); then
    words=("\${(@)words[dashes+1,-1]}")
    ((CURRENT -= dashes))
    _normal
    return
  fi
  local command=$words[2]
  words=("\${(@)words[2,-1]}")
  ((CURRENT--))
  case $command in
    help) _describe command names ;;
${commands.map(zshCase).join('\n')}
  esac
}
# The file of the function is its first call.
if [[ $funcstack[1] == _sessionfs ]]; then _sessionfs "$@"
else compdef _sessionfs sessionfs; fi`;
}

function zshCase(spec: CommandSpec): string {
  const flags = flagsOf(spec).map((shown) => {
    const { flag, placeholder, meaning } = shown;
    const about = meaning.replace(/[[\]:\\]/g, '\\$&');
    const value =
      placeholder === undefined
        ? ''
        : `:${placeholder.replaceAll(':', '\\:')}:${zshSource(offeredFor(shown))}`;
    return quoted(`${flag}[${about}]${value}`);
  });
  const operands = spec.operands.map(({ name, choices, mayBeLeftOut }) =>
    quoted(
      `:${name}:${mayBeLeftOut === true ? `{compadd ${choices?.join(' ')}; _files}` : zshSource(choices)}`,
    ),
  );
  return `    ${spec.name}) _arguments ${[...flags, ...operands].join(' ')} ;;`;
}

function zshSource(choices: readonly string[] | undefined): string {
  return choices === undefined ? '_files' : `(${choices.join(' ')})`;
}

function fish(commands: readonly CommandSpec[]): string {
  const names = namesOf(commands);
  const first = summariesOf(commands).map(
    ([name, summary]) =>
      `complete -c sessionfs -n __fish_use_subcommand -f -a ${name} -d ${fishQuoted(summary)}`,
  );
  const flags = commands.flatMap((spec) => [
    ...fishChoices(spec),
    ...flagsOf(spec).map(
      (flag) => `complete -c sessionfs -n '__sessionfs_runs ${spec.name}' ${fishFlag(flag)}`,
    ),
  ]);
  return `# fish completion of sessionfs: sessionfs completion fish | source
function __sessionfs_runs
  set -l words (commandline -opc)
  test (count $words) -ge 2; and test $words[2] = $argv[1]; and not contains -- -- $words
end
function __sessionfs_begins
  test (count (commandline -opc)) -eq 2; and __sessionfs_runs $argv
end
function __sessionfs_has_command
  contains -- -- (commandline -opc)
end
complete -c sessionfs -n __sessionfs_has_command -a '(complete -C (commandline -ct))'
complete -c sessionfs -n __fish_use_subcommand -l version -d 'print the version'
complete -c sessionfs -n __fish_use_subcommand -l help -s h -d 'print this help'
complete -c sessionfs -n '__sessionfs_begins help' -f -a '${names}'
${[...first, ...flags].join('\n')}`;
}

function fishChoices({ name, operands: [first] }: CommandSpec): string[] {
  if (first?.choices === undefined) return [];
  const files = first.mayBeLeftOut === true ? '' : ' -f';
  return [`complete -c sessionfs -n '__sessionfs_begins ${name}'${files} -a '${first.choices.join(' ')}'`];
}

function fishFlag(shown: FlagSpec): string {
  const { flag, short, placeholder, meaning } = shown;
  const offered = offeredFor(shown);
  const value =
    placeholder === undefined ? '' : offered === undefined ? ' -r' : ` -x -a '${offered.join(' ')}'`;
  const letter = short === undefined ? '' : ` -s ${short.slice(1)}`;
  return `-l ${flag.slice(2)}${letter}${value} -d ${fishQuoted(meaning)}`;
}

/** Within single quotes, as sh and zsh read them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
