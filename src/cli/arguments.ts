/** Takes a command line apart. What is not understood is refused by name; values are repeated only where harmless. */
import { parseArgs } from 'node:util';
import { SessionfsError } from '../lib/errors.ts';
import { nearestName } from '../lib/nearest-name.ts';
import { quote } from '../lib/quote.ts';

export interface FlagSpec {
  /** With its dashes. */
  readonly flag: string;
  /** What stands for the value in the help; undefined: the flag is a switch. */
  readonly placeholder?: string;
  readonly meaning: string;
}

export interface Arguments {
  /** By flag, with its dashes; a switch that was given holds ''. */
  readonly given: ReadonlyMap<string, string>;
  readonly directory: string | undefined;
}

type Token = NonNullable<ReturnType<typeof tokenize>>[number];

/** At most one positional argument: a directory. Throws USAGE. */
export function parseArguments(args: readonly string[], flags: readonly FlagSpec[]): Arguments {
  const given = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokenize(args, flags) ?? []) {
    if (token.kind === 'positional') positionals.push(token.value);
    else if (token.kind === 'option') addFlag(given, token, flags);
  }
  const [directory, extra] = positionals;
  if (directory === '') throw usage('the directory is an empty string');
  if (extra !== undefined) throw usage(`one directory is expected, but ${quote(extra)} follows`);
  return { given, directory };
}

function tokenize(args: readonly string[], flags: readonly FlagSpec[]) {
  const options = Object.fromEntries(
    flags.map(({ flag, placeholder }) => [
      flag.slice(2),
      { type: placeholder === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  return parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true }).tokens;
}

function addFlag(
  given: Map<string, string>,
  token: Extract<Token, { kind: 'option' }>,
  flags: readonly FlagSpec[],
): void {
  const spec = flags.find(({ flag }) => flag === token.rawName);
  if (spec === undefined) throw unknownFlag(token.rawName, flags);
  if (given.has(spec.flag)) throw usage(`${spec.flag} is given twice`);
  given.set(spec.flag, flagValue(spec, token));
}

function flagValue(
  { flag, placeholder }: FlagSpec,
  { value, inlineValue }: Extract<Token, { kind: 'option' }>,
): string {
  if (placeholder === undefined) {
    if (value !== undefined) throw usage(`${flag} takes no value`);
    return '';
  }
  // The value of a flag that lost its own is the next flag, which is never meant.
  if (value === undefined || value === '' || (value.startsWith('-') && inlineValue !== true)) {
    throw usage(`${flag} needs a value: ${flag} ${placeholder}`);
  }
  return value;
}

function unknownFlag(typed: string, flags: readonly FlagSpec[]): SessionfsError {
  if (/^--(encryption-)?key$/.test(typed)) {
    return usage(`there is no flag ${typed}: every user of the machine can read command lines`, {
      hint: 'Set SESSION_ENCRYPTION_KEY, or name a file with --encryption-key-file.',
    });
  }
  const nearest = nearestName(
    typed,
    flags.map(({ flag }) => flag),
  );
  return usage(
    `there is no flag ${quote(typed)}`,
    nearest === undefined ? {} : { hint: `Did you mean ${nearest}?` },
  );
}

export function usage(message: string, details: { hint?: string } = {}): SessionfsError {
  return new SessionfsError('USAGE', message, { hint: 'sessionfs --help lists what there is.', ...details });
}
