/** Runs in a process of its own, see mount-status.ts: prints the content of a file, or the error's code, as JSON. */
import { readFileSync } from 'node:fs';
import { ignoreDebugSignal } from '../lib/process-protection.ts';
import { codeOf } from '../lib/system-error.ts';

/** A reader that straddles the end of a daemon can get the next one's text, cut at the size that the first one told. */
const READS = 5;

function read(path: string): { text: string } | { code: string } {
  try {
    let text = readFileSync(path, 'utf8');
    for (let reads = 1; reads < READS && !isJson(text); reads++) text = readFileSync(path, 'utf8');
    return { text };
  } catch (error) {
    return { code: codeOf(error) ?? 'EIO' };
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

ignoreDebugSignal();
process.stdout.write(JSON.stringify(read(process.argv[2] ?? '')));
