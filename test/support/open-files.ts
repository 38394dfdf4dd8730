import { readdirSync, readlinkSync } from 'node:fs';

/** The files that a process has open now: what each descriptor is, and where it leads. One that is closed meanwhile is left out. */
export function openFiles(process: number | 'self'): { fd: string; target: string }[] {
  return readdirSync(`/proc/${process}/fd`).flatMap((number) => {
    const fd = `/proc/${process}/fd/${number}`;
    try {
      return [{ fd, target: readlinkSync(fd) }];
    } catch {
      return [];
    }
  });
}
