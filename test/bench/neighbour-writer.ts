/**
 * neighbour-writer.js FILE KIND MIB: writes a long document in pieces of 4 KiB, or (in sequence) any file in pieces of 1 MiB;
 * prints a line when it begins.
 */
import { openSync, writeSync } from 'node:fs';

const [path, kind, mib] = process.argv.slice(2) as [string, string, string];
const PIECE = 4096;
const pieces = (Number(mib) * 1024 * 1024) / PIECE;
const fd = openSync(path, 'w');
const write = (at: number, text: string) => writeSync(fd, text, at);
process.stdout.write('begins\n');
if (kind === 'changes in place') {
  const piece = ',1      '.repeat(PIECE / 8);
  write(0, '[1');
  for (let i = 0; i < pieces / 2; i++) write(2 + i * PIECE, piece);
  write(2 + (pieces / 2) * PIECE, ']');
  for (let i = 0; i < pieces / 2; i++) write(2 + i * PIECE, ',2');
} else if (kind === 'in sequence') {
  const piece = 'x'.repeat(1024 * 1024);
  for (let i = 0; i < Number(mib); i++) write(i * piece.length, piece);
} else {
  const piece = '{"a":1}\n'.repeat(PIECE / 8);
  const first = kind === 'valid lines' ? '{"a":2}\n' : '{"a"\n';
  write(0, first);
  for (let i = 0; i < pieces; i++) write(first.length + i * PIECE, piece);
}
