/** Whether the kernel that runs is this one or newer. Distributions backport features, so "older" means "not known". */
import { release as releaseOfKernel } from 'node:os';

export function kernelIsAtLeast(major: number, minor: number, release = releaseOfKernel()): boolean {
  const [ownMajor = 0, ownMinor = 0] = release.split(/[.-]/).map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
