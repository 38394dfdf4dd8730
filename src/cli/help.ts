/** The help texts, made from the same tables that the parsers read. */
import type { FlagSpec } from './arguments.ts';
import type { Command } from './command.ts';

const DIRECTORY_DEFAULT = 'DIR defaults to SESSION_STORAGE_PATH, or ./sessions.';

export function generalHelp(commands: readonly Command[]): string {
  const rows = commands.map(({ name, synopsis, summary }): Row => [`${name} ${synopsis}`, summary]);
  return [
    'sessionfs: an encrypting write-back filesystem for WhatsApp sessions',
    '',
    'usage: sessionfs COMMAND',
    '',
    ...columns(rows),
    '',
    `${DIRECTORY_DEFAULT} A flag wins over its variable.`,
    'Run `sessionfs COMMAND --help` for the flags of a command, `sessionfs --version` for the version.',
  ].join('\n');
}

export function commandHelp({ name, synopsis, summary, flags }: Command): string {
  const about = synopsis.includes('[DIR') ? [summary, DIRECTORY_DEFAULT] : [summary];
  return [`usage: sessionfs ${name} ${synopsis}`, '', ...about, '', ...columns(flags.map(flagRow))].join(
    '\n',
  );
}

type Row = readonly [left: string, right: string];

function flagRow({ flag, placeholder, meaning }: FlagSpec): Row {
  return [placeholder === undefined ? flag : `${flag} ${placeholder}`, meaning];
}

function columns(rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
