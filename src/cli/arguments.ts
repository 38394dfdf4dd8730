/**
 * Takes a command line apart, with commander and the table of commands. What is not understood is refused by name, in words of
 * our own: those of commander repeat what was typed, which may be a key.
 */
import { Argument, Command, CommanderError, Option } from 'commander';
import { type SessionfsError, usage } from '../lib/errors.ts';
import { nearestName } from '../lib/nearest-name.ts';
import { quote } from '../lib/quote.ts';
import { version } from '../lib/version.ts';
import type { CommandLine, CommandSpec, FlagSpec } from './command.ts';
import { writeOut } from './output.ts';

/** What commander throws when it has printed what was asked for. */
const SAID = ['commander.help', 'commander.helpDisplayed', 'commander.version'];
/** No line is broken where a program reads it. */
const UNBROKEN = 2000;
const DIRECTORY_DEFAULT = 'DIR defaults to SESSION_STORAGE_PATH, or ./sessions.';

/**
 * Returns undefined where the command line asked for help or the version, which `write` was given then. Throws USAGE.
 */
export function parseCommandLine(
  commands: readonly CommandSpec[],
  line: readonly string[],
  write: (text: string) => void = writeOut,
): CommandLine | undefined {
  const [name, ...args] = line;
  if (name === undefined) throw usage('which command?');
  const spec = commands.find((candidate) => candidate.name === name);
  if (name === 'help') requireCommand(args[0], commands);
  const end = spec?.takesCommand === true ? args.indexOf('--') : -1;
  const own = end < 0 ? args : args.slice(0, end);
  const state: State = { given: new Map(), operands: [], args: own, asked: false };
  const program = programOf(commands, [name, ...own], state, write);
  try {
    program.parse([name, ...own], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (SAID.includes(error.code)) return undefined;
    throw refusalOf(error, spec, commands);
  }
  if (spec === undefined || !state.asked) return undefined;
  const { given } = state;
  const operands = withChoice(spec, state.operands);
  checkOperands(spec, operands);
  return {
    spec,
    args,
    given,
    operands,
    directory: operands[0],
    command: end < 0 ? [] : args.slice(end + 1),
  };
}

/** commander knows no error of its own for it, and prints nothing. */
function requireCommand(name: string | undefined, commands: readonly CommandSpec[]): void {
  const names = ['help', ...commands.map((command) => command.name)];
  if (name !== undefined && !name.startsWith('-') && !names.includes(name))
    throw unknown('command', name, names);
}

interface State {
  readonly given: Map<string, string>;
  operands: readonly string[];
  readonly args: readonly string[];
  /** A command is to run. */
  asked: boolean;
}

function programOf(
  commands: readonly CommandSpec[],
  line: readonly string[],
  state: State,
  write: (text: string) => void,
): Command {
  const program = new Command('sessionfs')
    .description('An encrypting write-back filesystem for WhatsApp sessions.')
    .usage('COMMAND')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [COMMAND]', 'print the help of a command')
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({
      writeOut: write,
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => (process.stdout.isTTY ? (process.stdout.columns ?? UNBROKEN) : UNBROKEN),
    })
    .configureHelp({
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`.trimEnd(),
      showGlobalOptions: false,
    })
    .addHelpText(
      'after',
      `\n${DIRECTORY_DEFAULT} A flag wins over its variable.\nRun \`sessionfs COMMAND --help\` for the flags of a command.`,
    );
  for (const spec of commands) {
    // Only a command that the line names needs its flags: each is an object with listeners.
    const command = commandOf(spec, line.slice(0, 2).includes(spec.name) ? state : undefined);
    program.addCommand(command.copyInheritedSettings(program).allowExcessArguments());
  }
  return program;
}

function commandOf(spec: CommandSpec, state: State | undefined): Command {
  const command = new Command(spec.name)
    .summary(spec.summary)
    .description(spec.summary)
    .usage(spec.synopsis || ' ')
    .helpGroup(`${spec.group}:`)
    .helpOption('-h, --help', 'print this help');
  if (state === undefined) return command;
  command.description(
    spec.synopsis.includes('[DIR') ? `${spec.summary}\n\n${DIRECTORY_DEFAULT}` : spec.summary,
  );
  for (const { name, meaning, choices } of spec.operands)
    command.addArgument(new Argument(`[${name}]`, described({ meaning, choices })));
  for (const flag of spec.flags) {
    const option = new Option(flagTerm(flag), described(flag));
    command.addOption(option);
    command.on(`option:${option.name()}`, (value?: string) => take(state, flag, value));
  }
  return command.action(() => {
    state.asked = true;
    state.operands = command.args;
  });
}

export function flagTerm({ flag, short, placeholder }: FlagSpec): string {
  const names = short === undefined ? flag : `${short}, ${flag}`;
  return placeholder === undefined ? names : `${names} <${placeholder}>`;
}

/** The meaning, with the choices, the default and the variable. */
export function described({
  meaning,
  choices,
  default: value,
  variable,
}: Pick<FlagSpec, 'meaning' | 'default' | 'variable'> & {
  readonly choices?: readonly string[] | undefined;
}): string {
  const parts = [meaning];
  if (choices !== undefined) parts.push(`one of ${choices.join(', ')}`);
  if (value !== undefined) parts.push(`default: ${value}`);
  return `${parts.join('; ')}${variable === undefined ? '' : ` (${variable})`}`;
}

function take(
  { given, args }: State,
  { flag, short, placeholder, choices }: FlagSpec,
  value: string | undefined,
): void {
  if (given.has(flag)) throw usage(`${flag} is given twice`);
  if (placeholder === undefined) {
    given.set(flag, '');
    return;
  }
  const isInline = args.includes(`${flag}=${value}`) || args.includes(`${short}${value}`);
  // The value of a flag that lost its own is the next flag, which is never meant.
  if (value === undefined || value === '' || (value.startsWith('-') && !isInline))
    throw needsValue(flag, placeholder);
  if (choices !== undefined && !choices.includes(value))
    throw usage(`${flag} is ${quote(value)}, but it must be ${listed(choices)}`);
  given.set(flag, value);
}

function needsValue(flag: string, placeholder: string): SessionfsError {
  return usage(`${flag} needs a value: ${flag} ${placeholder}`);
}

/** "a, b or c". */
function listed(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join() : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

/** With the operand that may be left out, where it was; a word that is nearly one of its choices is refused later. */
function withChoice({ operands: [first] }: CommandSpec, operands: readonly string[]): readonly string[] {
  const [typed] = operands;
  const [meant = ''] = first?.choices ?? [];
  if (first?.mayBeLeftOut !== true || !typed || nearestName(typed, first.choices ?? []) !== undefined)
    return operands;
  return [meant, ...operands];
}

function checkOperands({ name, operands: specs, synopsis }: CommandSpec, operands: readonly string[]): void {
  for (const [index, { name: operand, required, choices }] of specs.entries()) {
    const value = operands[index];
    if (value === undefined && required !== undefined)
      throw usage(`${required} sessionfs ${name} ${synopsis}`);
    if (value === '') throw usage(`${wordOf(operand)} is an empty string`);
    if (value !== undefined && choices !== undefined && !choices.includes(value))
      throw usage(`${operand} is ${quote(value)}, but it must be ${listed(choices)}`);
  }
  const extra = operands[specs.length];
  if (extra === undefined) return;
  if (specs.length === 0) throw usage(`no argument is expected, but ${quote(extra)} follows`);
  const expected =
    specs.length === 1 ? `one ${nounOf(specs[0]?.name ?? '')} is` : `${specs.length} arguments are`;
  throw usage(`${expected} expected, but ${quote(extra)} follows`);
}

function nounOf(operand: string): string {
  return operand === 'DIR' ? 'directory' : 'argument';
}

function wordOf(operand: string): string {
  return operand === 'DIR' ? 'the directory' : operand;
}

/** What commander found, in our words. */
function refusalOf(
  { code, message }: CommanderError,
  spec: CommandSpec | undefined,
  commands: readonly CommandSpec[],
): SessionfsError {
  const [, typed = ''] = /'([\s\S]*)'/.exec(message) ?? [];
  if (code === 'commander.optionMissingArgument') {
    const flag = spec?.flags.find((candidate) => typed === flagTerm(candidate));
    if (flag?.placeholder !== undefined) return needsValue(flag.flag, flag.placeholder);
  }
  if (code === 'commander.unknownOption') return unknownFlag(typed, spec?.flags ?? []);
  if (code === 'commander.unknownCommand')
    return unknown(
      'command',
      typed,
      commands.map(({ name }) => name),
    );
  return usage(`the command line is not understood (${code})`);
}

function unknownFlag(text: string, flags: readonly FlagSpec[]): SessionfsError {
  const typed = text.split('=', 1)[0] ?? '';
  if (/^--(encryption-)?key$/.test(typed)) {
    return usage(`there is no flag ${typed}: every user of the machine can read command lines`, {
      hint: 'Set SESSION_ENCRYPTION_KEY, or name a file with --encryption-key-file.',
    });
  }
  const names = flags.map(({ flag }) => flag);
  return names.includes(typed) ? usage(`${typed} takes no value`) : unknown('flag', typed, names);
}

function unknown(what: string, typed: string, known: readonly string[]): SessionfsError {
  const nearest = nearestName(typed.toLowerCase(), known);
  return usage(
    `there is no ${what} ${quote(typed)}`,
    nearest === undefined ? {} : { hint: `Did you mean ${nearest}?` },
  );
}
