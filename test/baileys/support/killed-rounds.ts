/** Rounds of an application that is killed, and its daemons, and its machine: again and again. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomMs } from '../../crash/support/counts.ts';
import { DaemonKiller } from '../../crash/support/daemon-killer.ts';
import { flushAll } from '../../hybrid/support/cloud.ts';
import type { Scope } from '../../support/cleanup.ts';
import type { Mounted } from '../../support/mount-sessionfs.ts';
import { RoundWriter } from './round-writer.ts';

const KILL_WITHIN_MS = 1_000;
const SESSION = 'user1-+15550001';

export interface KilledRounds {
  readonly runs: number;
  /** `write FOLDER` writes rounds without end. */
  readonly program: string;
  /** On an empty machine. */
  readonly mount: () => Promise<Mounted>;
  /** After the machine was killed. */
  readonly settled?: () => Promise<void>;
  /** The rounds that an application reads; rejects where it cannot. */
  readonly roundsIn: (folder: string) => Promise<number[]>;
  /** `here`: after kills of daemons and application; `round`: the last one that the application ended. */
  readonly checkHere: (here: number[], round: number) => void;
  /** `here` was flushed, and then the machine was killed. */
  readonly checkRestored: (restored: number[], here: number[]) => void;
}

export async function killedRounds(scope: Scope, parts: KilledRounds): Promise<void> {
  const { runs, program, mount, settled, roundsIn } = parts;
  let mounted = await mount();
  let round = 0;
  for (let run = 0; run < runs; run++) {
    const folder = join(mounted.mountPoint, SESSION);
    const writer = new RoundWriter(scope, program, folder);
    await writer.reached(round + 2);
    await new DaemonKiller(mounted).during(() => sleep(randomMs(200, KILL_WITHIN_MS)));
    await writer.kill();
    const here = await roundsIn(folder);
    parts.checkHere(here, writer.round);
    await flushAll(mounted);
    const after = new RoundWriter(scope, program, folder);
    await after.reached(writer.round + 1);
    await sleep(randomMs(0, KILL_WITHIN_MS));
    await mounted.kill();
    await after.kill();
    await settled?.();
    mounted = await mount();
    const restored = await roundsIn(join(mounted.mountPoint, SESSION));
    parts.checkRestored(restored, here);
    round = Math.max(...restored);
  }
  await mounted.unmount();
}
