/** What a command is, and what it is given. */
import type { Secrets } from '../lib/secrets.ts';
import type { FlagSpec } from './arguments.ts';

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name on the command line. */
  readonly synopsis: string;
  readonly flags: readonly FlagSpec[];
  /** `secrets` are in no environment any more. Returns the exit status. Throws SessionfsError for what the user can cure. */
  run(args: readonly string[], env: NodeJS.ProcessEnv, secrets: Secrets): Promise<number>;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
