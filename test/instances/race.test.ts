/** Two mounts want the same sessions at the same moment, again and again: never do two write one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { count } from '../crash/support/counts.ts';
import { filesBelow } from '../hybrid/support/cloud.ts';
import { logLines } from '../hybrid/support.ts';
import { until } from '../support/until.ts';
import { type Instance, Instances } from './support/instances.ts';
import { Racer } from './support/race.ts';
import { writing } from './support/writers.ts';

const SESSIONS = Array.from({ length: count(20, 100) }, (_, index) => `user${index}-+49${index}`);
const ROUNDS = count(3, 50);
const options = { timeout: count(240_000, 3_600_000) };

/** Both race; then the first one stops, and the other one's calls go on. Returns how many sessions the first one had. */
async function round(t: TestContext, first: Instance, second: Instance, name: string): Promise<number> {
  const racers = [
    new Racer(t, first.mounted.mountPoint, `${name} first`, SESSIONS),
    new Racer(t, second.mounted.mountPoint, `${name} second`, [...SESSIONS].reverse()),
  ] as const;
  await Racer.start(...racers);
  await until(() => racers[0].done.length + racers[1].done.length >= SESSIONS.length);
  const won = racers[0].done.length;
  const both = racers[0].done.filter((session) => racers[1].done.includes(session));
  assert.deepEqual(both, [], 'two mounts had these sessions');
  // What it still waits for it can never have while the other one lives.
  await racers[0].kill();
  await first.mounted.unmount();
  await racers[1].finished();
  assert.equal(racers[1].done.length, SESSIONS.length);
  return won;
}

test(
  `two mounts race for ${SESSIONS.length} sessions, ${ROUNDS} times: one writes each, nothing is lost`,
  options,
  async (t) => {
    const all = await Instances.start(t);
    const seed = await all.mount();
    const seeder = new Racer(t, seed.mounted.mountPoint, 'seed', SESSIONS);
    await Racer.start(seeder);
    await seeder.finished();
    await seed.mounted.unmount();
    const won: number[] = [];
    for (let number = 0; number < ROUNDS; number++) {
      const [first, second] = await Promise.all([all.mount(), all.mount()]);
      won.push(await round(t, first, second, String(number)));
      await second.mounted.unmount();
      for (const { mounted } of [first, second])
        assert.deepEqual(
          logLines(mounted).filter(({ level }) => level === 'error'),
          [],
        );
    }
    const last = await all.mount();
    const files = await filesBelow(last.mounted.mountPoint);
    for (const session of SESSIONS) {
      const history = JSON.parse(files[join(session, 'creds.json')] ?? '[]') as string[];
      const seconds = history.filter((text) => text.endsWith('second'));
      assert.equal(seconds.length, ROUNDS, `${session}: ${history}`);
      assert.equal(new Set(history).size, history.length, `${session}: ${history}`);
    }
    const firsts =
      Object.values(files)
        .join()
        .match(/\d+ first/g)?.length ?? 0;
    assert.equal(
      firsts,
      won.reduce((sum, one) => sum + one, 0),
    );
    await last.mounted.unmount();
    const { faults, changes, turns } = writing(all.proxies);
    t.diagnostic(
      `${changes} changes in ${turns} turns; the first mount had ${won.join(', ')} of ${SESSIONS.length}`,
    );
    assert.deepEqual(faults, []);
  },
);
