/** What a command is, and what it is given. `commands.ts` lists them all. */
import { usage } from '../lib/errors.ts';
import { printableText } from '../lib/human.ts';
import { quote } from '../lib/quote.ts';
import type { Secrets } from '../lib/secrets.ts';
import { messageOf } from '../lib/system-error.ts';
import { writeError, writeOut } from './output.ts';

export interface FlagSpec {
  /** With its dashes. */
  readonly flag: string;
  /** One letter, with its dash. */
  readonly short?: string;
  /** What stands for the value in the help; undefined: the flag is a switch. */
  readonly placeholder?: string;
  readonly meaning: string;
  readonly default?: string;
  /** The environment variable that says the same. */
  readonly variable?: string;
  /** All values that there are. */
  readonly choices?: readonly string[];
  /** What a shell offers where another check than `choices` judges the value. */
  readonly offered?: readonly string[];
}

export interface OperandSpec {
  /** As the synopsis has it. */
  readonly name: string;
  readonly meaning: string;
  /** The question that a command line without it is answered with. */
  readonly required?: string;
  readonly choices?: readonly string[];
  /** The first of the choices is meant where another operand stands in its place. */
  readonly mayBeLeftOut?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  /** The heading under which `sessionfs --help` lists it. */
  readonly group: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name on the command line. */
  readonly synopsis: string;
  readonly operands: readonly OperandSpec[];
  readonly flags: readonly FlagSpec[];
  /** Everything behind `--` is a command of the user's. */
  readonly takesCommand?: boolean;
  /** Imports the code of this command, and of no other. Returns its `run`. */
  load(): Promise<Run>;
}

/** Returns the exit status. Throws SessionfsError for what the user can cure. */
export type Run = (invocation: Invocation) => Promise<number>;

export interface Arguments {
  /** By flag, with its dashes; a switch that was given holds ''. */
  readonly given: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
  /** The first operand: of most commands the directory. */
  readonly directory: string | undefined;
}

/** A command line, taken apart. */
export interface CommandLine extends Arguments {
  readonly spec: CommandSpec;
  /** All that follows the command's name. */
  readonly args: readonly string[];
  /** What stands behind `--`, for a command that takes a command. */
  readonly command: readonly string[];
}

export interface Invocation extends CommandLine {
  /** The whole table. */
  readonly commands: readonly CommandSpec[];
  readonly env: NodeJS.ProcessEnv;
  /** They are in no environment any more. */
  readonly secrets: Secrets;
}

/** As it is: what a program reads. */
export function print(text: string): void {
  writeOut(`${text}\n`);
}

/** For people: nothing in it is an order to a terminal. */
export function printText(text: string): void {
  print(printableText(text));
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** Prints `value` where --json was given, and `text` elsewhere. */
export function printEither({ given }: Pick<Arguments, 'given'>, value: unknown, text: string): void {
  if (given.has('--json')) printJson(value);
  else printText(text);
}

/** A line for people, beside what a program may read on stdout. */
export function warn(text: string): void {
  writeError(`sessionfs: ${printableText(text)}\n`);
}

/** The checked value of an operand; see `flagValue`. */
export function operandValue<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw usage(`${name} is ${quote(text)}, but it ${messageOf(error)}`);
  }
}

/** The checked value of a flag. `parse` throws an error whose message completes "--flag …". Throws USAGE. */
export function flagValue<T>(
  { given }: Pick<Arguments, 'given'>,
  flag: string,
  parse: (text: string) => T,
  otherwise: T,
): T {
  const text = given.get(flag);
  if (text === undefined) return otherwise;
  try {
    return parse(text);
  } catch (error) {
    throw usage(`${flag} ${messageOf(error)}`);
  }
}
