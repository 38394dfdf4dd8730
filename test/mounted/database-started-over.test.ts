/** An application that starts over in an SQLite database on a real mount: it is told, and the account comes back. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'libsql';
import { runCli } from '../cli/run-cli.ts';
import { changed, freshCreds, registeredCreds } from '../support/baileys-creds.ts';
import { freePort } from '../support/free-port.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { BAILEYS_TABLES, saveCreds } from '../support/sqlite-files.ts';
import { until } from '../support/until.ts';
import { logLines, untilLogged } from './log-lines.ts';

const options = { timeout: 180_000 };
const ALARM = /^An application started over/;
const KEYS = 300;

/** As an application that pairs, works, and makes a checkpoint now and then. */
class Bot {
  readonly folder: string;
  readonly creds = registeredCreds();
  readonly #database: Database.Database;

  constructor(t: TestContext, { mountPoint }: Mounted, session: string, mode: string) {
    this.folder = join(mountPoint, session);
    mkdirSync(this.folder);
    this.#database = new Database(join(this.folder, 'auth.db'));
    t.after(() => this.#database.close());
    this.#database.pragma(`journal_mode = ${mode}`);
    this.#database.pragma('synchronous = NORMAL');
    this.#database.exec(BAILEYS_TABLES);
    this.save(freshCreds());
    this.save(changed(this.creds, (creds) => void Object.assign(creds, { accountSyncCounter: 1 })));
    this.save(this.creds);
    const put = this.#database.prepare('INSERT INTO signal_keys VALUES (?, ?, ?)');
    this.#database.transaction(() => {
      for (let id = 0; id < KEYS; id++) put.run('pre-key', `${id}`, 'k'.repeat(1_000));
    })();
  }

  save(creds: string): void {
    saveCreds(this.#database, creds);
  }

  checkpoint(): void {
    this.#database.pragma('wal_checkpoint(TRUNCATE)');
  }

  close(): void {
    this.#database.close();
  }

  /** As the next application finds them. */
  get found(): unknown[] {
    const database = new Database(join(this.folder, 'auth.db'));
    try {
      const one = (sql: string) => database.prepare(sql).raw().get() as unknown[];
      return [
        ...one('PRAGMA integrity_check'),
        ...one("SELECT value FROM creds WHERE key = '__creds__'"),
        ...one('SELECT COUNT(*) FROM signal_keys'),
      ];
    } finally {
      database.close();
    }
  }
}

test(
  'credentials in a database: other ones are told and counted, and sessionfs restore brings them back',
  options,
  async (t) => {
    const address = `127.0.0.1:${await freePort()}`;
    const mounted = await mountSessionfs(t, { env: { SESSION_HTTP_ADDRESS: address } });
    const alarms = () =>
      logLines(mounted.log())
        .filter(({ msg }) => ALARM.test(msg))
        .map(({ level, session }) => `${level} ${session}`);
    const told = async (...sessions: string[]) => {
      await untilLogged(
        mounted,
        new RegExp(`"session":"${sessions.at(-1)}-\\+1".*An application started over`),
      );
      assert.deepEqual(
        alarms(),
        sessions.map((session) => `error ${session}-+1`),
      );
    };

    const first = new Bot(t, mounted, 'first-+1', 'WAL');
    first.save(freshCreds());
    await told('first');
    first.checkpoint();
    first.close();

    const second = new Bot(t, mounted, 'second-+1', 'DELETE');
    second.save(freshCreds());
    await told('first', 'second');
    second.close();

    // What the next daemon finds in the log, it tells.
    const third = new Bot(t, mounted, 'third-+1', 'WAL');
    const daemon = await mounted.daemonPid();
    third.save(freshCreds());
    process.kill(daemon, 'SIGKILL');
    await untilLogged(mounted, /Took the mount over/);
    third.checkpoint();
    await told('first', 'second', 'third');
    third.close();

    const fourth = new Bot(t, mounted, 'fourth-+1', 'WAL');
    fourth.close();
    rmSync(fourth.folder, { recursive: true });

    const metrics = async () => (await fetch(`http://${address}/metrics`)).text();
    await until(async () => /^sessionfs_fresh_registrations_total 1$/m.test(await metrics()));
    const status = JSON.parse(readFileSync(join(mounted.mountPoint, '.sessionfs/status.json'), 'utf8'));
    assert.equal(status.freshRegistrations, 1, 'since the daemon that took over');

    for (const bot of [first, second, third]) {
      assert.notEqual(bot.found[1], bot.creds);
      const { status, stderr } = runCli(['restore', bot.folder]);
      assert.deepEqual([status, stderr], [0, ''], bot.folder);
      assert.deepEqual(readdirSync(bot.folder), ['auth.db']);
      assert.deepEqual(bot.found, ['ok', bot.creds, KEYS]);
    }
    // They log in: what was kept may be older.
    assert.equal(runCli(['restore', first.folder]).status, 68);
    const listed = runCli(['restore', '--list', mounted.mountPoint]).stdout;
    assert.equal(
      listed.match(/^\d{4}-\S+:\d\dZ \(.* ago\) +(first|second|third)-\+1 +credentials +kept version$/gm)
        ?.length,
      3,
      listed,
    );
    assert.equal(alarms().length, 3);
    await mounted.unmount();
  },
);
