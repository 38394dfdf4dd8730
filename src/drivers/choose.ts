/** Which of the two drivers serves a mount. */
export type Driver = 'direct' | 'fuse-native';

export interface Choice {
  driver: Driver;
  /** For the log. */
  reason: string;
}

interface Machine {
  platform: string;
  /** Effective. */
  uid: number | undefined;
}

/**
 * `auto`: direct where mounting is permitted. mount(8) permits it to root only, in a user namespace too; whether that root has
 * CAP_SYS_ADMIN makes no difference, since without it no other program could mount for it either.
 */
export function chooseDriver(
  wanted: Driver | 'auto',
  machine: Machine = { platform: process.platform, uid: process.geteuid?.() },
): Choice {
  const { platform, uid } = machine;
  if (wanted !== 'auto') return { driver: wanted, reason: 'it was asked for by SESSION_FUSE_DRIVER' };
  if (platform !== 'linux') return { driver: 'fuse-native', reason: `${platform} has no /dev/fuse` };
  if (uid === 0) return { driver: 'direct', reason: 'root may mount' };
  return { driver: 'fuse-native', reason: 'an ordinary user may not mount: fusermount does' };
}
