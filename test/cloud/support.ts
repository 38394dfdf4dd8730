/** Mounts in cloud mode, and what their bucket holds at a moment. */
import { execFile } from 'node:child_process';
import type { Cloud } from '../hybrid/support/cloud.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';

export function mountCloud(
  cloud: Cloud,
  env: Readonly<Record<string, string>> = {},
  machine = cloud.machine(),
): Promise<Mounted> {
  return cloud.mount({ SESSION_STORAGE_TYPE: 'cloud', ...env }, machine);
}

/** Names of the objects that were stored, in the order of their uploads. */
export function uploads(cloud: Cloud): string[] {
  return cloud.proxy.requests.filter(({ kind }) => kind === 'put').map(({ object }) => object);
}

/** Runs a line of JavaScript with `fs` in a process of its own, which may hang in a call and can be killed. */
export function script(code: string): {
  pid: number;
  done: Promise<{ code: number; stdout: string; stderr: string }>;
} {
  let pid = 0;
  const done = new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      ['-e', `const fs = require('node:fs');\n${code}`],
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      },
    );
    pid = child.pid ?? 0;
  });
  return { pid, done };
}
