/** `sessionfs stat`: what cache or bucket says of one file, without the key. */
import { statFile } from '../kit/sessions.ts';
import { usage } from '../lib/errors.ts';
import { momentText, sizeText } from '../lib/human.ts';
import { type Invocation, printEither } from './command.ts';
import { lookAt } from './look-at.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { config, session, file, from } = lookAt(invocation);
  if (session === undefined || file === '') throw usage('which file? sessionfs stat [DIR/]SESSION/FILE');
  const found = await statFile(config, { session, name: file, from });
  const { bytes, mode, modifiedAt, keyId, sealedBytes, refused } = found;
  const rows: [string, string | undefined][] = [
    ['file', `${session}/${file}`],
    ['from', found.from],
    ['size', bytes === undefined ? undefined : `${bytes} bytes (${sizeText(bytes)})`],
    ['sealed', `${sealedBytes} bytes`],
    ['mode', mode?.toString(8).padStart(4, '0')],
    ['changed', modifiedAt && momentText(modifiedAt, Date.now())],
    ['key', keyId],
    ['refused', refused],
  ];
  const text = rows.flatMap(([label, value]) => (value === undefined ? [] : [`${label.padEnd(10)}${value}`]));
  printEither(invocation, { session, ...found }, text.join('\n'));
  return 0;
}
