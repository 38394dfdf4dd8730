/**
 * What a short-lived process sees that has a mount namespace of its own: it changes its mounts, this process opens a directory
 * there, and the descriptor outlives the namespace.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { messageOf } from '../lib/system-error.ts';
import { toolEnvironment } from '../lib/system-tools.ts';

export interface NamespaceView {
  /** For unshare(1). */
  namespace: readonly string[];
  /** For sh(1): changes the mounts, or fails and says why. */
  script: string;
  /** "$1", "$2", … of the script. */
  args: readonly string[];
  /** What is opened once the script has succeeded, with these flags. */
  path: string;
  flags: number;
}

/** Returns the descriptor, or why there is none. */
export async function openInNamespace(view: NamespaceView): Promise<number | string> {
  const script = `${view.script} && echo done && exec cat >/dev/null`;
  const child = spawn('unshare', [...view.namespace, 'sh', '-c', script, 'sh', ...view.args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: toolEnvironment(),
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  const exited = new Promise<string>((resolve) => {
    child.on('close', () => resolve(stderr.trim().split('\n', 1)[0] || 'unshare(1) failed'));
    child.on('error', (error) => resolve(`cannot run unshare(1): ${messageOf(error)}`));
  });
  const failure = await Promise.race([
    once(child.stdout, 'data').then(
      () => undefined,
      () => undefined,
    ),
    exited,
  ]);
  if (failure !== undefined) return failure;
  try {
    return openSync(`/proc/${child.pid}/root${view.path}`, view.flags);
  } catch (error) {
    return messageOf(error);
  } finally {
    child.stdin.end();
    await exited;
  }
}
