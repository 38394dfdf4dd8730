/** The processes that use the mount. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from '../support/environment.ts';
import type { BotNews, BotOrder } from './bot.ts';

const PROGRAM = fileURLToPath(new URL('./bot.js', import.meta.url));
const ERROR_LENGTH = 2000;

export type Listener = (news: BotNews) => void;

export class BotProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #hasEnded = false;
  #isKilled = false;
  #errors = '';

  constructor(order: BotOrder, listen: Listener) {
    this.#child = fork(PROGRAM, [JSON.stringify(order)], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.on('message', (news: BotNews) => {
      this.#hasEnded ||= news.ended === true;
      listen(news);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = `${this.#errors}${text}`.slice(0, ERROR_LENGTH);
    });
    this.#closed = once(this.#child, 'close').then(() => {
      if (!this.#hasEnded && !this.#isKilled)
        listen({ ...NO_NEWS, violations: [`a bot ended by itself: ${this.#errors}`] });
    });
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** SIGKILL, wherever it is. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  /** Resolves when it has ended after its step. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.send('stop');
    await this.#closed;
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<void> {
    await this.#closed;
  }
}

const NO_NEWS: BotNews = { noSpace: 0, longestMs: 0, ioErrors: [], violations: [] };
