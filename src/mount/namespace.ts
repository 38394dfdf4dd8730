/** The other processes that see the mounts of this one. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { parseProcessStat } from '../lib/process-stat.ts';

/** The processes of this one's mount namespace, without this one and its children. Those that may not be looked at are left out. */
export async function othersInMountNamespace(proc = '/proc', self = process.pid): Promise<number[]> {
  const namespace = await readlink(`${proc}/${self}/ns/mnt`);
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name)).map(Number);
  const others = await Promise.all(
    pids.map(
      async (pid) =>
        pid !== self && (await namespaceOf(proc, pid)) === namespace && !(await isChild(proc, pid, self)),
    ),
  );
  return pids.filter((_, index) => others[index]);
}

/** Undefined for a process that has ended meanwhile, a zombie too, and for one of another user. */
function namespaceOf(proc: string, pid: number): Promise<string | undefined> {
  return readlink(`${proc}/${pid}/ns/mnt`).catch(() => undefined);
}

async function isChild(proc: string, pid: number, parent: number): Promise<boolean> {
  const stat = await readFile(`${proc}/${pid}/stat`, 'latin1').catch(() => '');
  return parseProcessStat(stat)?.parent === parent;
}
