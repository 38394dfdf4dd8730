import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { baileysInOneFile } from './baileys-file.ts';
import { cleanEnvironment } from './environment.ts';
import { repository } from './repository.ts';

/** What test/baileys/workload.mjs prints; the part that tests and the benchmark look at. */
export interface WorkloadResult {
  ok: boolean;
  error?: string;
  init?: { direct: number; group: number; errors: string[] };
  resume?: { accounts: number; direct: number; group: number; errors: string[] };
  disk?: { files: number; bytes: number; bad: string[] };
  msgsPerSec?: { direct: number; group: number };
  storeOps?: { writes: number; bursts: { files: number; ms: number }[] };
}

// Not compiled: the workload is a program of its own, in plain JavaScript like a user's bot.
const workload = join(repository, 'test/baileys/workload.mjs');
const HANG_MS = 400_000;

/** Runs the workload on `directory` in a process of its own; answers also when it found something wrong. */
export async function runWorkload(directory: string, ...args: string[]): Promise<WorkloadResult> {
  const env = cleanEnvironment(baileysInOneFile());
  const options = { env, timeout: HANG_MS, maxBuffer: 1 << 26 };
  const printed = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [workload, directory, ...args], options, (error, stdout, stderr) => {
      if (stdout === '') reject(new Error(`the workload said nothing: ${error?.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
  return JSON.parse(printed) as WorkloadResult;
}

/** As `runWorkload`, and fails with what was wrong. */
export async function workloadSucceeds(directory: string, ...args: string[]): Promise<WorkloadResult> {
  const result = await runWorkload(directory, ...args);
  const { error, init, resume, disk } = result;
  assert.ok(result.ok, JSON.stringify({ error, init, resume, bad: disk?.bad }, null, 1));
  return result;
}
