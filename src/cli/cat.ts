/** `sessionfs cat`: the verified content of one file, from cache or bucket. */
import { readPlainFile } from '../kit/sessions.ts';
import { usage } from '../lib/errors.ts';
import type { Invocation } from './command.ts';
import { lookAt } from './look-at.ts';
import { writeOut } from './output.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { config, env, session, file, from } = lookAt(invocation);
  if (session === undefined || file === '') throw usage('which file? sessionfs cat [DIR/]SESSION/FILE');
  writeOut(await readPlainFile(config, env, { session, name: file, from }));
  return 0;
}
