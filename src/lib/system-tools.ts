/** The programs of the system that sessionfs starts: mount, flock, unshare, sh. */

/** The last two are those of NixOS. */
const SYSTEM_PATH =
  '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/wrappers/bin:/run/current-system/sw/bin';

/**
 * The environment of such a program. Root finds it in the folders of the system, wherever the caller's PATH leads; another user
 * has nothing to lose by a PATH of their own. Messages are in English whatever the locale.
 */
export function toolEnvironment(): NodeJS.ProcessEnv {
  const isRoot = process.geteuid?.() === 0 && process.platform === 'linux';
  return { ...process.env, ...(isRoot ? { PATH: SYSTEM_PATH } : {}), LC_ALL: 'C' };
}
