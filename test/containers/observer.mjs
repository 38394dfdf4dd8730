/*
 * What an application sees of a mount while its sidecar is killed and restarted: node observer.mjs SESSION_FOLDER
 * Reads creds.json, reads it through a descriptor that stays open, and writes a file that counts up, 50 times a second. One line
 * of JSON on stdout whenever an answer differs from the one before: { ms, call, answer, tookMs }. Ends with SIGTERM after the
 * round that is under way, with how often each answer came.
 */
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const folder = process.argv[2];
const creds = join(folder, 'creds.json');
const counter = join(folder, 'app-state-sync-key-count.json');
const expected = await readFile(creds, 'utf8');
const held = await open(creds);

let count = 0;
/** The last value whose write returned without an error. */
let written = 0;
const last = new Map();
/** How often each call got which answer, a mount of a killed sidecar gives some of them only for a moment. */
const counts = {};
let slowestMs = 0;

async function answerOf(work) {
  try {
    return await work();
  } catch (error) {
    return error.code ?? error.message;
  }
}

async function look(call, work) {
  const started = performance.now();
  const answer = await answerOf(work);
  const tookMs = performance.now() - started;
  slowestMs = Math.max(slowestMs, tookMs);
  const name = `${call} ${answer}`;
  counts[name] = (counts[name] ?? 0) + 1;
  if (last.get(call) === answer) return;
  last.set(call, answer);
  console.log(
    JSON.stringify({ ms: Math.round(performance.now()), call, answer, tookMs: Math.round(tookMs) }),
  );
}

async function readHeld() {
  const bytes = Buffer.alloc(expected.length);
  await held.read(bytes, 0, bytes.length, 0);
  return bytes.toString() === expected ? 'whole' : 'other content';
}

async function readCount() {
  return JSON.parse(await readFile(counter, 'utf8')).count >= written ? 'newest' : 'lost a write';
}

// Not in the middle of a round: a write that no caller waits for any more would be in the file and not in `written`.
let ending = false;
process.on('SIGTERM', () => {
  ending = true;
});

while (!ending) {
  await look('read', async () => ((await readFile(creds, 'utf8')) === expected ? 'whole' : 'other content'));
  await look('held', readHeld);
  await look('write', async () => {
    const value = ++count;
    await writeFile(counter, JSON.stringify({ count: value }));
    written = value;
    return 'written';
  });
  await look('reread', readCount);
  await sleep(20);
}
console.log(JSON.stringify({ call: 'end', written, counts, slowestMs: Math.round(slowestMs) }));
