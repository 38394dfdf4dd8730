/**
 * The real classes on a bucket whose requests arrive in any order, late, or without an answer, while mounts die, start again,
 * stand still and hand sessions over. The model check (model.test.ts) is exhaustive, this one runs what runs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { type HeldUntil, LeaseLost } from '../../src/lease/held.ts';
import { type IdentityStore, identityInMemory } from '../../src/lease/identity.ts';
import type { Leases } from '../../src/lease/leases.ts';
import type { Scope } from '../support/cleanup.ts';
import type { MemoryBucket } from '../support/memory-bucket.ts';
import { Rig, S, settle } from './support.ts';

const RUNS = Number(process.env.SESSIONFS_TEST_LEASE_RUNS ?? 100);
const KEYS = ['grants', 'uploads', 'takeOvers', 'copiesInStep'] as const;
const OBJECT = 'sessions/u/+1/creds.json';

type Action =
  | { do: 'start' | 'die' | 'acquire' | 'write' | 'release'; mount: number }
  | { do: 'deliver'; requests: number }
  | { do: 'arrive'; upload: number }
  | { do: 'pass'; ms: number };

const mount = fc.nat(2);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('start' as const, 'start' as const, 'die' as const), mount }),
  },
  { weight: 7, arbitrary: fc.record({ do: fc.constantFrom('acquire' as const, 'write' as const), mount }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), mount }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('arrive' as const), upload: fc.nat(9) }) },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), requests: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(2_000, 15_000, 31_000, 95_000),
    }),
  },
);

/** What becomes of a put: it is carried out, its answer is lost, or it arrives after it was given up. */
type Fate = 'carried out' | 'unanswered' | 'late';

/** One machine: a mount that is started again and again on the same cache. */
class Machine {
  readonly #world: Interleaved;
  readonly name: string;
  readonly identity: IdentityStore = identityInMemory();
  leases: Leases | undefined;
  /** Counts the runs; a grant ends with its run. */
  run = 0;
  grant: HeldUntil | undefined;
  /** What its cache holds: in step with that version of the object, under that epoch. */
  copy = { epoch: 0, generation: '' };
  #isUnsettled = false;
  #isWriting = false;

  constructor(world: Interleaved, name: string) {
    this.#world = world;
    this.name = name;
  }

  async start(): Promise<void> {
    if (this.leases) return;
    const run = ++this.run;
    const way = this.#world.way(() => this.run === run);
    const opening = this.#world.rig.mount(this.name, { identity: this.identity }, way);
    const { leases } = await opening;
    if (this.run === run) this.leases = leases;
    else await leases.end();
  }

  die(): void {
    this.run++;
    void this.leases?.end();
    this.leases = undefined;
    this.grant = undefined;
    this.#isUnsettled ||= this.#isWriting;
    this.#isWriting = false;
  }

  async write(): Promise<void> {
    const { leases, run } = this;
    if (!leases || this.#isWriting) return;
    const granted = await leases.grant(S).catch(toleratedFailure);
    if (granted === undefined || this.run !== run || !leases.holds(S) || this.#isWriting) return;
    this.grant = granted;
    this.#world.checkGrants();
    if (granted.refresh) {
      this.#world.storeAgain(this, granted);
      await leases.floorRaised(S, granted.epoch).catch(toleratedFailure);
      return;
    }
    this.#world.restore(this, granted);
    this.#isWriting = true;
    await this.#world.upload(this, granted);
    if (this.run === run) this.#isWriting = false;
  }

  async release(): Promise<void> {
    const { leases } = this;
    if (!leases?.holds(S)) return;
    this.grant = undefined;
    const isUnsettled = this.#isUnsettled || this.#isWriting;
    this.#isUnsettled = isUnsettled;
    await leases.release([S], new Set(isUnsettled ? [S] : []));
  }
}

class Interleaved {
  readonly rig: Rig;
  readonly machines: readonly Machine[];
  readonly #schedule: fc.Scheduler;
  readonly #fate: () => Fate;
  readonly #uploads: (() => void)[] = [];
  readonly seen = { grants: 0, uploads: 0, takeOvers: 0, copiesInStep: 0 };

  constructor(scope: Scope, schedule: fc.Scheduler, fate: () => Fate) {
    this.rig = new Rig(scope);
    this.machines = ['a', 'b', 'c'].map((name) => new Machine(this, name));
    this.#schedule = schedule;
    this.#fate = fate;
  }

  /** One run's way to the bucket: when the run is over nothing new is sent, and nothing is heard. */
  way(isAlive: () => boolean): MemoryBucket {
    const way = this.rig.way();
    const { bucket } = this.rig;
    const turn = (label: string) => this.#schedule.schedule(Promise.resolve(), label);
    const orNever = <T>(value: T) => (isAlive() ? value : new Promise<T>(() => {}));
    way.head = async (name) => {
      await orNever(undefined);
      await turn(`head ${name}`);
      const version = await bucket.head(name).finally(() => turn(`answer to head ${name}`));
      return orNever(version);
    };
    way.put = async (name, bytes, put) => {
      await orNever(undefined);
      const fate = this.#fate();
      const arrived = turn(`put ${name}`).then(() => bucket.put(name, bytes, put));
      if (fate !== 'late') {
        const version = await arrived.finally(() => turn(`answer to put ${name}`));
        if (fate === 'carried out') return orNever(version);
      }
      arrived.catch(() => {});
      await orNever(undefined);
      throw new BucketError('unreachable', 'no answer');
    };
    return way;
  }

  checkGrants(): void {
    this.seen.grants++;
    const writers = this.machines.filter(
      ({ grant }) => grant !== undefined && grant.deadlineMs > this.rig.clock.nowMs,
    );
    assert.ok(writers.length <= 1, `${writers.map(({ name }) => name)} may write at a time`);
  }

  storeAgain(machine: Machine, { epoch }: HeldUntil): void {
    this.seen.takeOvers++;
    if (this.rig.bucket.objects.has(OBJECT)) this.#store(machine, epoch);
    machine.copy = { epoch, generation: this.#generation() };
  }

  /** If the grant says that the copy still matches the bucket, no other mount wrote since. */
  restore(machine: Machine, { epoch, previousEpoch, floor }: HeldUntil): void {
    const now = this.rig.bucket.objects.get(OBJECT);
    const isInStep = machine.copy.epoch === epoch || machine.copy.epoch === previousEpoch;
    const counts = now !== undefined && Number(now.metadata.epoch) >= floor;
    if (isInStep && machine.copy.epoch > 0) {
      this.seen.copiesInStep++;
      const isKnown = now?.generation === machine.copy.generation || now?.metadata.writer === machine.name;
      assert.ok(!counts || isKnown, `${machine.name} has an old copy and is told that it is in step`);
    }
    machine.copy = { epoch, generation: this.#generation() };
  }

  /** An upload that may arrive whenever it likes. */
  async upload(machine: Machine, { epoch }: HeldUntil): Promise<void> {
    const known = this.rig.bucket.objects.get(OBJECT)?.generation;
    await new Promise<void>((arrive) => this.#uploads.push(arrive));
    const now = this.rig.bucket.objects.get(OBJECT);
    if (now?.generation !== known) return;
    this.seen.uploads++;
    const newest = Number(now?.metadata.epoch ?? 0);
    assert.ok(newest <= epoch, `epoch ${epoch} changed an object of epoch ${newest}`);
    const owner = this.rig.owner();
    assert.ok(owner);
    const isLate = epoch < Number(owner.epoch) || owner.holder === '-';
    const isBelowFloor = (now === undefined ? epoch : newest) < Number(owner.floor);
    assert.ok(!isLate || owner.refresh === '1' || isBelowFloor, `a late upload of epoch ${epoch} counts`);
    this.#store(machine, epoch);
  }

  #store({ name }: Machine, epoch: number): void {
    this.rig.bucket.store(OBJECT, Buffer.from('x'), { epoch: String(epoch), writer: name });
  }

  #generation(): string {
    return this.rig.bucket.objects.get(OBJECT)?.generation ?? '';
  }

  async carryOut(step: Action): Promise<void> {
    if (step.do === 'pass') return this.rig.clock.pass(step.ms);
    if (step.do === 'deliver') {
      for (let done = 0; done < step.requests && this.#schedule.count() > 0; done++) {
        await this.#schedule.waitOne();
        await settle(2);
      }
      return;
    }
    if (step.do === 'arrive') {
      const [arrive] = this.#uploads.splice(step.upload % Math.max(1, this.#uploads.length), 1);
      arrive?.();
      return settle(2);
    }
    const machine = this.machines[step.mount];
    if (machine === undefined) return;
    if (step.do === 'start') this.#watch(machine.start());
    if (step.do === 'die') machine.die();
    if (step.do === 'acquire') machine.leases?.acquire(S).catch(() => {});
    if (step.do === 'write') this.#watch(machine.write());
    if (step.do === 'release') this.#watch(machine.release());
    await settle(2);
  }

  readonly #failures: unknown[] = [];

  #watch(work: Promise<void>): void {
    work.catch((error: unknown) => this.#failures.push(error));
  }

  check(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** With nothing lost any more, a mount that is left comes to hold the session, also where its holder is dead. */
  async rescue(): Promise<void> {
    const [survivor, ...others] = this.machines;
    for (const other of others) other.die();
    if (survivor === undefined) return;
    const started = survivor.start();
    for (let second = 0; second < 1000 && !survivor.leases?.holds(S); second++) {
      survivor.leases?.acquire(S).catch(() => {});
      for (let turn = 0; turn < 6; turn++) {
        if (this.#schedule.count() > 0) await this.#schedule.waitOne();
        await settle(1);
      }
      await this.rig.clock.pass(1_000);
    }
    await started;
    for (const arrive of this.#uploads.splice(0)) arrive();
    await settle();
    assert.ok(survivor.leases?.holds(S), 'a dead holder keeps the session');
  }
}

function toleratedFailure(error: unknown): undefined {
  if (error instanceof BucketError || error instanceof LeaseLost || /the mount ends/.test(String(error)))
    return;
  throw error;
}

test('whatever is delayed, lost or dies: one writer at a time, no late write counts, a mount always gets it', async (t) => {
  const seen = { grants: 0, uploads: 0, takeOvers: 0, copiesInStep: 0 };
  const fates = fc.infiniteStream(
    fc.oneof(
      { weight: 8, arbitrary: fc.constant<Fate>('carried out') },
      { weight: 1, arbitrary: fc.constantFrom<Fate>('unanswered', 'late') },
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fates,
      fc.array(action, { minLength: 100, maxLength: 200, size: 'max' }),
      async (schedule, stream, script) => {
        const cleanups: (() => Promise<void>)[] = [];
        let isCalm = false;
        const fate = () => (isCalm ? 'carried out' : (stream.next().value ?? 'carried out'));
        const world = new Interleaved({ after: (cleanup) => void cleanups.push(cleanup) }, schedule, fate);
        try {
          for (const machine of [0, 1, 2]) await world.carryOut({ do: 'start', mount: machine });
          await world.carryOut({ do: 'deliver', requests: 12 });
          for (const step of script) {
            await world.carryOut(step);
            world.check();
          }
          isCalm = true;
          await world.rescue();
          world.check();
        } finally {
          for (const machine of world.machines) machine.die();
          for (const cleanup of cleanups) await cleanup();
          for (const key of KEYS) seen[key] += world.seen[key];
        }
      },
    ),
    { numRuns: RUNS },
  );
  t.diagnostic(`${RUNS} runs: ${JSON.stringify(seen)}`);
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, `there were no ${what}`);
});
