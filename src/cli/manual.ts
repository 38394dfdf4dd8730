/** `sessionfs man`: the manual page, made from the tables of commands, settings and exit statuses. man/sessionfs.1 is its output. */
import { configurationTable } from '../config/settings.ts';
import { exitStatus } from '../lib/errors.ts';
import { described, flagTerm } from './arguments.ts';
import { type CommandSpec, type Invocation, print } from './command.ts';

export async function run({ commands }: Invocation): Promise<number> {
  print(manualPage(commands));
  return 0;
}

export function manualPage(commands: readonly CommandSpec[]): string {
  return [
    '.\\" Made by: sessionfs man > man/sessionfs.1',
    '.TH SESSIONFS 1 "" sessionfs "User Commands"',
    '.SH NAME',
    'sessionfs \\- an encrypting write\\-back filesystem for WhatsApp sessions',
    '.SH SYNOPSIS',
    ...commands.flatMap(({ name, synopsis }) => ['.br', `.B ${roff(`sessionfs ${name}`)}`, roff(synopsis)]),
    '.SH DESCRIPTION',
    'Mounts a folder whose files are kept encrypted on the local disk, and backed up to a bucket: Google Cloud Storage, S3 or another directory.',
    'DIR defaults to SESSION_STORAGE_PATH, or ./sessions. A flag wins over its variable.',
    '.SH COMMANDS',
    ...commands.flatMap(section),
    '.SH ENVIRONMENT',
    ...configurationTable.flatMap(({ variable, default: value, meaning }) => [
      '.TP',
      `.B ${roff(variable)}`,
      roff(described({ meaning, ...(value === undefined ? {} : { default: value }) })),
    ]),
    '.SH EXIT STATUS',
    'They are stable. docs/operations.md of the package says of each what it means and what to do.',
    ...[['success', 0] as const, ...Object.entries(exitStatus)].flatMap(([code, status]) => [
      '.TP',
      `.B ${status}`,
      roff(code),
    ]),
    '.SH SEE ALSO',
    '.BR mount (8),',
    '.BR fuse (4)',
  ]
    .filter((line) => line !== '')
    .join('\n');
}

function section(spec: CommandSpec): string[] {
  return [
    `.SS ${roff(`${spec.name} ${spec.synopsis}`.trimEnd())}`,
    `${roff(sentence(spec.summary))}`,
    ...spec.operands.flatMap(({ name, meaning, choices }) => [
      '.TP',
      `.I ${roff(name)}`,
      roff(described({ meaning, choices })),
    ]),
    ...spec.flags.flatMap((flag) => ['.TP', `.B ${roff(flagTerm(flag))}`, roff(described(flag))]),
  ];
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** A dash as it is typed, no escape, and no request at the start of a line. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}
