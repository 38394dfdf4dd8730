/** A server for tests, which a script of `scripts/` builds and runs, as a process of its own. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaemonProcess } from './daemon-process.ts';
import { cleanEnvironment } from './environment.ts';
import { repository } from './repository.ts';

export interface ServerProcess {
  /** The caller that started it ends it. */
  readonly daemon: DaemonProcess;
  /** As http://127.0.0.1:PORT, when it answers. */
  readonly url: Promise<string>;
}

/** The first start builds the server. */
const START_LIMIT_MS = 400_000;

export function startServer(script: string, args: readonly string[] = []): ServerProcess {
  const daemon = new DaemonProcess(join(repository, script), args, cleanEnvironment(), repository);
  return { daemon, url: printedUrl(script, daemon) };
}

async function printedUrl(script: string, daemon: DaemonProcess): Promise<string> {
  for (const endMs = performance.now() + START_LIMIT_MS; performance.now() < endMs; await sleep(20)) {
    const url = /^http:\/\/127\.0\.0\.1:\d+$/m.exec(daemon.log())?.[0];
    if (url) return url;
    if (daemon.exit) break;
  }
  throw new Error(`${script} did not start:\n${daemon.log()}`);
}
