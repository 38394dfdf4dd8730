/**
 * `npm run tour`: runs the steps of the tour, on a real mount, with real Baileys and an emulated bucket, and writes what was seen to
 * docs/tour.cast and docs/tour.svg. It needs what the tests need: Linux, root and /dev/fuse.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { withScope } from '../bench/subjects.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { startGcsEmulator } from '../support/gcs-emulator-process.ts';
import { startGcsProxy } from '../support/gcs-proxy.ts';
import { repository } from '../support/repository.ts';
import { untilSlow } from '../support/until.ts';
import { Recorder } from './cast.ts';
import { svgOf } from './render.ts';
import { LABEL, type Step, settings, steps } from './steps.ts';

/** What was printed before a command ended arrives a moment later. */
const DRAIN_MS = 200;

/** In a mount namespace, where the folder has the same short name everywhere, and all goes with the last process. */
const START = `set -e
mount -t tmpfs tmpfs /srv && mkdir -p /srv/bot /srv/bin && cd /srv/bot
ln -s "$REPOSITORY/bin/sessionfs" /srv/bin/sessionfs && ln -s "$REPOSITORY/test/tour/bot.mjs" bot.js
(umask 077 && printf %s "$KEY" >key) && printf %s "$SETTINGS" >settings.env
unset KEY SETTINGS REPOSITORY
set -a && . ./settings.env && set +a
PATH=/srv/bin:$PATH exec bash 2>&1`;

class Shell {
  readonly #child: ChildProcess;
  readonly #recorder: Recorder;
  #since = '';
  #ended = 0;

  constructor(recorder: Recorder, env: Record<string, string>) {
    this.#recorder = recorder;
    this.#child = spawn(
      'unshare',
      ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', START],
      {
        env: cleanEnvironment(env),
        stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
      },
    );
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      process.stdout.write(text);
      this.#since += text;
      recorder.printed(text.replaceAll('\n', '\r\n'));
    });
    (this.#child.stdio[3] as Readable).on('data', (marks: Buffer) => {
      this.#ended += marks.length;
    });
  }

  async run({ say, command, until: said }: Step): Promise<void> {
    if (say !== undefined) this.#recorder.say(say);
    this.#recorder.type(command);
    process.stdout.write(`$ ${command}\n`);
    this.#since = '';
    const ended = this.#ended + 1;
    this.#child.stdin?.write(`${command}\nprintf . >&3\n`);
    await untilSlow(() => this.#ended === ended && (said === undefined || said.test(this.#since)));
    await sleep(DRAIN_MS);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

await withScope(async (scope) => {
  const emulator = startGcsEmulator();
  scope.after(async () => emulator.daemon.killAll());
  const proxy = await startGcsProxy(scope, await emulator.url);
  const body = JSON.stringify({ name: 'tour-sessions' });
  const headers = { 'Content-Type': 'application/json' };
  await fetch(`${proxy.url}/storage/v1/b?project=tour`, { method: 'POST', headers, body });
  const recorder = new Recorder();
  const shell = new Shell(recorder, {
    STORAGE_EMULATOR_HOST: proxy.url,
    REPOSITORY: repository,
    KEY: randomBytes(32).toString('hex'),
    SETTINGS: settings,
  });
  scope.after(async () => shell.end());
  for (const step of steps) await shell.run(step);
  const cast = recorder.toString();
  writeFileSync(join(repository, 'docs/tour.cast'), cast);
  writeFileSync(join(repository, 'docs/tour.svg'), svgOf(cast, LABEL));
});
process.exit(0);
