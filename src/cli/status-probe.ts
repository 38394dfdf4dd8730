/** Runs in a process of its own, see mount-status.ts: prints the content of a file, or the error's code, as JSON. */

import { readFileSync } from 'node:fs';
import { codeOf } from '../lib/system-error.ts';

function read(path: string): { text: string } | { code: string } {
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { code: codeOf(error) ?? 'EIO' };
  }
}

process.stdout.write(JSON.stringify(read(process.argv[2] ?? '')));
