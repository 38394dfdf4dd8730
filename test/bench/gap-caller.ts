/**
 * Looks up names that no cache knows, one after another. For each line on stdin, the time of a kill: prints the time at which
 * the first lookup was answered that was under way then, or began after it, and that the killed daemon had not answered.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] as string;
/** An answer that takes longer than this came from the next daemon: from the old one it takes a tenth of a millisecond. */
const GAP_NS = 5_000_000n;
/** The longest of the gaps that ended lately: a line on stdin may arrive after it. */
let lastGap: { from: bigint; to: bigint } | undefined;
let names = 0;

function lookUp(): void {
  const from = process.hrtime.bigint();
  statSync(join(folder, `nobody-${names++}`), { throwIfNoEntry: false });
  const to = process.hrtime.bigint();
  if (to - from > GAP_NS) lastGap = { from, to };
}

function answer(killed: bigint): void {
  const gap = lastGap;
  if (gap === undefined || gap.to < killed) {
    setImmediate(() => answer(killed));
    return;
  }
  process.stdout.write(`${gap.to}\n`);
}

process.stdin.setEncoding('utf8').on('data', (text: string) => {
  for (const line of text.split('\n').filter(Boolean)) answer(BigInt(line));
});
process.stdin.on('end', () => process.exit(0));

(function loop() {
  lookUp();
  setImmediate(loop);
})();
