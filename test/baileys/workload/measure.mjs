import { performance } from 'node:perf_hooks';

export const phases = {};

/** Runs `work` and keeps how long it took, in ms, as the phase `name`. */
export async function timed(name, work) {
  const started = performance.now();
  try {
    return await work();
  } finally {
    phases[name] = Number((performance.now() - started).toFixed(1));
  }
}

export const latency = { send: [], recv: [], groupSend: [], groupRecv: [], creds: [] };

export async function clocked(bucket, work) {
  const started = performance.now();
  const answer = await work();
  bucket.push(performance.now() - started);
  return answer;
}

function percentile(values, p) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return Number(sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))].toFixed(2));
}

export function latencies() {
  const summary = (values) => ({
    n: values.length,
    p50: percentile(values, 0.5),
    p99: percentile(values, 0.99),
    max: percentile(values, 1),
  });
  return Object.fromEntries(Object.entries(latency).map(([name, values]) => [name, summary(values)]));
}

/** A burst is one commit of the key store with 100 or more files: that many concurrent writeFile calls. */
export const storeOperations = {
  getCalls: 0,
  getIds: 0,
  setCalls: 0,
  writes: 0,
  deletes: 0,
  maxBurst: 0,
  credsWrites: 0,
  bursts: [],
};

/** Counts what Baileys asks of its key store, and passes everything on untouched. */
export function counted(keys) {
  return {
    get(type, ids) {
      storeOperations.getCalls++;
      storeOperations.getIds += ids.length;
      return keys.get(type, ids);
    },
    set(data) {
      const values = Object.values(data).flatMap((byId) => Object.values(byId));
      const writes = values.filter(Boolean).length;
      storeOperations.setCalls++;
      storeOperations.writes += writes;
      storeOperations.deletes += values.length - writes;
      storeOperations.maxBurst = Math.max(storeOperations.maxBurst, values.length);
      const done = keys.set(data);
      return values.length < 100 ? done : timedBurst(values.length, done);
    },
  };
}

function timedBurst(files, done) {
  const started = performance.now();
  return done.finally(() => {
    storeOperations.bursts.push({ files, ms: Number((performance.now() - started).toFixed(1)) });
  });
}
