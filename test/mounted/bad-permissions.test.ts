import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { assertRefused, type Refusal } from './refused-start.ts';

const NOBODY = 65534;

/** Runs what follows in a mount namespace with a /dev of its own, after `script` has added to it. */
function withDevices(script: string): string[] {
  const devices =
    'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 444 /dev/urandom c 1 9';
  return ['unshare', '--mount', '--', 'sh', '-c', `${devices} && ${script} && exec "$0" "$@"`];
}

/**
 * Uid 65534, with the right to read everything: the checkout may lie in a folder that only root can enter. Reading does not help with
 * /dev/fuse, which has to be writable.
 */
const asNobody = [
  'setpriv',
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  '--clear-groups',
  '--inh-caps=-all,+dac_read_search',
  '--ambient-caps=-all,+dac_read_search',
  '--',
];

const withoutSysAdmin = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'];

const saysWhatToDo =
  /Docker: --device \/dev\/fuse --cap-add SYS_ADMIN.* Kubernetes: .*privileged.* unshare --user --map-root-user/;

const notPermitted = (message: RegExp): Refusal => ({
  code: 'MOUNT_NOT_PERMITTED',
  message,
  hint: saysWhatToDo,
});

/** A mount point whose folder belongs to uid 65534, so that all but the mount is permitted. */
function home(scope: Scope): { within: string; directory: string } {
  const parent = temporaryDirectory(scope);
  chmodSync(parent, 0o711);
  const within = join(parent, 'home');
  const directory = join(within, 'sessions');
  for (const path of [within, directory]) {
    mkdirSync(path);
    chownSync(path, NOBODY, NOBODY);
  }
  return { within, directory };
}

for (const [what, script] of [
  ['is missing', 'true'],
  ['has no driver behind it', 'mknod -m 666 /dev/fuse c 240 229'],
] as const) {
  test(`a machine whose /dev/fuse ${what} is refused, with how to get it`, (t) => {
    const { within, directory } = home(t);
    assertRefused(
      { within, args: [directory], under: withDevices(script) },
      {
        code: 'FUSE_DEVICE_MISSING',
        message: /\/dev\/fuse is not there, or its driver is not loaded/,
        hint: /modprobe fuse.*Docker: --device \/dev\/fuse/,
      },
    );
  });
}

test('a user who may not open /dev/fuse is told what to do', (t) => {
  const { within, directory } = home(t);
  const under = [...withDevices('mknod -m 600 /dev/fuse c 10 229'), ...asNobody];
  assertRefused(
    { within, args: [directory], under },
    notPermitted(/\/dev\/fuse may not be opened \(EACCES\)/),
  );
});

test('a user who may open /dev/fuse but not mount is told what to do', (t) => {
  const { within, directory } = home(t);
  const under = [...withDevices('mknod -m 666 /dev/fuse c 10 229'), ...asNobody];
  assertRefused(
    { within, args: [directory], under },
    notPermitted(/not allowed to mount on \S+: .*superuser/),
  );
});

test('root without CAP_SYS_ADMIN, as in a plain container, is told what to do', (t) => {
  const { within, directory } = home(t);
  assertRefused(
    { within, args: [directory], under: withoutSysAdmin },
    notPermitted(/not allowed to mount on \S+: .*permi/),
  );
});
