/** What the machine must offer: Node.js, the kernel, /dev/fuse, the right to mount. */
import { accessSync, constants } from 'node:fs';
import { release } from 'node:os';
import type { Config } from '../../config/load.ts';
import { chooseDriver } from '../../drivers/choose.ts';
import { loadBinding } from '../../drivers/libfuse/binding.ts';
import { findFusermount } from '../../drivers/libfuse/mount.ts';
import { kernelIsAtLeast } from '../../lib/kernel-version.ts';
import { codeOf, messageOf } from '../../lib/system-error.ts';
import { version } from '../../lib/version.ts';
import { mayMount } from '../../mount/may-mount.ts';
import { type Finding, failure, finding } from './finding.ts';

const DEVICE = '/dev/fuse';
/** Versions that get no security fixes any more, by the end of 2026. */
const NODE_OLD = 22;

/** `rootless`: why an ordinary user cannot mount in a namespace of their own; undefined: they can. */
export function machineFindings(config: Config, rootless: () => string | undefined): Finding[] {
  return [nodeFinding(), kernelFinding(), ...driverFindings(config, rootless)];
}

function nodeFinding(): Finding {
  const text = `Node.js ${process.versions.node}, sessionfs ${version}`;
  return Number.parseInt(process.versions.node, 10) >= NODE_OLD
    ? finding('node', 'ok', text)
    : finding(
        'node',
        'warning',
        text,
        `It works, but is no longer maintained: install Node.js ${NODE_OLD} or newer.`,
      );
}

function kernelFinding(): Finding {
  const text = `${process.platform} ${release()}`;
  if (process.platform !== 'linux')
    return finding(
      'kernel',
      'warning',
      `${text}: only the driver fuse-native works here, with fewer guarantees`,
      'Run production on Linux: docs/operations.md, "Drivers", has the difference.',
    );
  if (kernelIsAtLeast(6, 17)) return finding('kernel', 'ok', text);
  if (kernelIsAtLeast(6, 9))
    return finding('kernel', 'ok', `${text}: does not tell who serves a mount (Linux 6.17)`);
  return finding(
    'kernel',
    'warning',
    `${text}: sends requests of a daemon that died to the next one only from Linux 6.9 on`,
    'A call that was under way when a daemon dies is tried again by sessionfs itself, within limits: see docs/operations.md.',
  );
}

function driverFindings(config: Config, rootless: () => string | undefined): Finding[] {
  const { driver, reason } = chooseDriver(config.fuseDriver);
  const needsDevice = process.platform === 'linux';
  const device = needsDevice ? [deviceFinding()] : [];
  const unused = finding('libfuse', 'ok', 'not used: the driver direct speaks to the kernel itself');
  if (driver === 'direct')
    return [finding('driver', 'ok', `direct: ${reason}`), unused, ...device, mountFinding()];
  const problem = config.fuseDriver === 'auto' ? rootless() : bindingProblem();
  if (problem === undefined && config.fuseDriver === 'auto')
    return [
      finding('driver', 'ok', 'direct, in a namespace of its own: sessionfs run -- COMMAND'),
      unused,
      ...device,
      finding(
        'mounting',
        'ok',
        'sessionfs run may mount; sessionfs mount needs root, or fusermount3 and fuse-native',
      ),
    ];
  const binding = bindingProblem();
  return [
    binding === undefined
      ? finding('driver', 'ok', `fuse-native: ${reason}`)
      : finding('driver', 'failed', `fuse-native cannot be loaded: ${binding}`, problem),
    ...(binding === undefined ? [libfuseFinding()] : []),
    ...device,
    process.geteuid?.() === 0
      ? mountFinding()
      : finding('mounting', 'unknown', 'fusermount mounts for ordinary users: the first mount tells'),
  ];
}

/** Root mounts by itself; for an ordinary user the program fusermount does. */
function libfuseFinding(): Finding {
  const own = 'libfuse 2 of the package fuse-native';
  if (process.platform !== 'linux' || process.geteuid?.() === 0) return finding('libfuse', 'ok', own);
  try {
    return finding('libfuse', 'ok', `${own}, which mounts with ${findFusermount(process.env)}`);
  } catch (error) {
    return failure('libfuse', error);
  }
}

function bindingProblem(): string | undefined {
  try {
    loadBinding();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function deviceFinding(): Finding {
  try {
    accessSync(DEVICE, constants.R_OK | constants.W_OK);
    return finding('/dev/fuse', 'ok', 'can be opened');
  } catch (error) {
    return codeOf(error) === 'ENOENT'
      ? finding(
          '/dev/fuse',
          'failed',
          'is not there',
          'modprobe fuse; in a container pass --device /dev/fuse',
        )
      : { ...failure('/dev/fuse', error), hint: 'chmod 0666 /dev/fuse, as udev makes it where that runs' };
  }
}

function mountFinding(): Finding {
  return mayMount()
    ? finding('mounting', 'ok', 'this user may mount')
    : finding(
        'mounting',
        'failed',
        'this root may not mount: CAP_SYS_ADMIN is missing',
        'Give the container the capability SYS_ADMIN, or use sessionfs run as an ordinary user: docs/containers.md.',
      );
}
