import assert from 'node:assert/strict';
import { get, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { StatusFeed } from '../../../src/observe/status-page/feed.ts';
import type { StatusReport } from '../../../src/observe/status-page/report.ts';
import { View } from '../../../src/observe/status-page/view.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { until } from '../../support/until.ts';
import { reportOf, sessionOf } from './support/reports.ts';
import { served } from './support/served.ts';

const QUICK_MS = 20;
const LISTENERS_MAX = 8;

interface Told {
  now: number;
  names: string;
  sessions: { rows: { id: number; name: string; dirty: number }[]; gone?: number[]; whole?: boolean };
}

/** A browser that listens. */
class Stream {
  readonly response: IncomingMessage;
  readonly #told: AsyncIterator<string>;
  #text = '';

  static open(scope: Scope, port: number, query = ''): Promise<Stream> {
    return new Promise((resolve, reject) => {
      const request = get({ port, path: `/events${query}` }, (response) => resolve(new Stream(response)));
      request.on('error', reject);
      cleanUp(scope, () => {
        request.destroy();
      });
    });
  }

  private constructor(response: IncomingMessage) {
    this.response = response;
    response.on('error', () => {});
    this.#told = response.setEncoding('utf8')[Symbol.asyncIterator]();
  }

  /** The next report. */
  async next(): Promise<Told> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end < 0) {
        const { value, done } = await this.#told.next();
        if (done === true) throw new Error('the stream has ended');
        this.#text += value;
        continue;
      }
      const event = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const [, data] = /^event: status\ndata: (.*)$/s.exec(event) ?? [];
      if (data !== undefined) return JSON.parse(data) as Told;
    }
  }
}

test('a browser is told everything once, then only what changes', async (t) => {
  let sessions = [sessionOf('one', { dirty: 1 }), sessionOf('two')];
  const { port } = await served(t, { report: () => reportOf({ sessions }), intervalMs: QUICK_MS });
  const stream = await Stream.open(t, port);
  assert.equal(stream.response.headers['content-type'], 'text/event-stream');
  const first = await stream.next();
  assert.equal(first.sessions.whole, true);
  assert.deepEqual(
    first.sessions.rows.map(({ name, dirty }) => [name, dirty]),
    [
      ['one', 1],
      ['two', 0],
    ],
  );
  const id = first.sessions.rows[0]?.id;
  sessions = [sessionOf('one', { dirty: 5 }), sessionOf('three')];
  let told = await stream.next();
  while (told.sessions.rows.length === 0) told = await stream.next();
  assert.deepEqual(
    told.sessions.rows.map(({ name, dirty }) => [name, dirty]),
    [
      ['one', 5],
      ['three', 0],
    ],
  );
  assert.equal(told.sessions.rows[0]?.id, id);
  assert.deepEqual(told.sessions.gone, [first.sessions.rows[1]?.id]);
  // Every report is a sign of life.
  const { now, sessions: none } = await stream.next();
  assert.deepEqual([none.rows, none.gone], [[], []]);
  assert.ok(now >= told.now);
});

test('nothing is asked for while no browser listens', async (t) => {
  let reports = 0;
  const report = () => {
    reports++;
    return reportOf();
  };
  const { port, statusPage } = await served(t, { report, intervalMs: QUICK_MS });
  assert.equal(reports, 0);
  const streams = [await Stream.open(t, port), await Stream.open(t, port, '?names=full')];
  const [short, full] = await Promise.all(streams.map((stream) => stream.next()));
  assert.deepEqual([short?.names, full?.names], ['short', 'full']);
  assert.equal(short?.sessions.rows[0]?.name, 'user1-+…0000');
  assert.equal(full?.sessions.rows[0]?.name, 'user1-+4915100000');
  for (const { response } of streams) response.destroy();
  await until(() => statusPage.listeners === 0);
  // One that had begun may end.
  await new Promise(setImmediate);
  const before = reports;
  await new Promise((resolve) => setTimeout(resolve, 10 * QUICK_MS));
  assert.equal(reports, before);
});

test('a browser that leaves while a report is made leaves nothing running', async () => {
  const made: (() => void)[] = [];
  const read = () => new Promise<StatusReport>((resolve) => made.push(() => resolve(reportOf())));
  const failed = (error: unknown) => assert.fail(String(error));
  const feed = new StatusFeed({ read, failed, wallMs: Date.now, intervalMs: 1 });
  const leave = feed.add({ names: 'short', send: () => assert.fail('it has left'), beat: () => {} });
  await until(() => made.length === 1);
  leave();
  made[0]?.();
  await new Promise((resolve) => setTimeout(resolve, 2 * QUICK_MS));
  assert.equal(made.length, 1);
});

test('a browser too many is refused until another one leaves, and probes get through', async (t) => {
  const { port, url, statusPage } = await served(t, { intervalMs: QUICK_MS });
  const streams: Stream[] = [];
  for (let each = 0; each < LISTENERS_MAX; each++) streams.push(await Stream.open(t, port));
  assert.equal((await fetch(`${url}/events`)).status, 503);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  streams[0]?.response.destroy();
  await until(() => statusPage.listeners < LISTENERS_MAX);
  const late = await Stream.open(t, port);
  assert.equal((await late.next()).sessions.whole, true);
});

test('a report that fails does not end the stream', async (t) => {
  let fails = true;
  const report = () => {
    if (fails) throw new Error('not now');
    return reportOf();
  };
  const { port, logged } = await served(t, { report, intervalMs: QUICK_MS });
  const stream = await Stream.open(t, port);
  await until(() => logged.some((line) => line.includes('not now')));
  fails = false;
  assert.equal((await stream.next()).sessions.whole, true);
});

test('the end of the daemon ends every stream at once', async (t) => {
  const { port, close } = await served(t);
  const stream = await Stream.open(t, port);
  await stream.next();
  await close();
  await assert.rejects(stream.next(), /has ended|aborted/);
});

test('nothing is written to a stream that has ended, though its browser has not left yet', async (t) => {
  const { port, statusPage } = await served(t, { intervalMs: 5 });
  const stream = await Stream.open(t, port);
  await stream.next();
  assert.equal(statusPage.listeners, 1);
  statusPage.close();
  // A report that comes now would be an error of the stream, which nothing hears.
  assert.equal(statusPage.listeners, 0);
});

test('of very many sessions those in trouble are shown', () => {
  const others = Array.from({ length: 6_000 }, (_, index) => sessionOf(`s${index}`));
  const view = new View('full');
  view.update(reportOf({ sessions: [...others, sessionOf('last', { lastError: 'it failed' })] }), 0);
  const { sessions, counts } = JSON.parse(view.whole());
  assert.deepEqual([sessions.rows.length, sessions.omitted, sessions.rows[0].name], [5_000, 1_001, 'last']);
  assert.deepEqual(counts, { states: { local: 6_001 }, dirty: 0, troubled: 1 });
});

test('a session that only waits longer is not told again', () => {
  const view = new View('short');
  const waiting = (waitedMs: number) =>
    reportOf({ sessions: [sessionOf('one', { holder: 'host:/mount', waitedMs })] });
  view.update(waiting(1_000), 10_000);
  assert.deepEqual(JSON.parse(view.update(waiting(3_010), 12_000)).sessions.rows, []);
  assert.equal(JSON.parse(view.update(waiting(10), 14_000)).sessions.rows.length, 1);
});
