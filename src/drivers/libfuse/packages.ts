/** What to install where the driver fuse-native cannot be loaded, or finds no program that may mount for it. */

interface Machine {
  /** The content of /etc/os-release. */
  readRelease: () => string;
  arch: string;
  platform: string;
}

interface Distribution {
  /** As ID in /etc/os-release. */
  id: string;
  /** For versions below this one; undefined: for all that no line before it is for. */
  before?: number;
  name: string;
  /** Gives fusermount3, and /etc/fuse.conf. */
  mounting: string;
  /** libfuse 2, should the one that comes with the package not fit. */
  library: string;
  /** To compile the package where it brings nothing compiled. */
  compiling: string;
}

const DEBIAN = {
  mounting: 'apt-get install fuse3',
  compiling: 'apt-get install libfuse-dev build-essential python3 pkg-config',
};

const distributions: readonly Distribution[] = [
  { ...DEBIAN, id: 'debian', before: 13, name: 'Debian 12', library: 'apt-get install libfuse2' },
  { ...DEBIAN, id: 'debian', name: 'Debian 13', library: 'apt-get install libfuse2t64' },
  { ...DEBIAN, id: 'ubuntu', before: 24, name: 'Ubuntu 22.04', library: 'apt-get install libfuse2' },
  { ...DEBIAN, id: 'ubuntu', name: 'Ubuntu', library: 'apt-get install libfuse2t64' },
  {
    id: 'fedora',
    name: 'Fedora',
    mounting: 'dnf install fuse3',
    library: 'dnf install fuse-libs',
    compiling: 'dnf install fuse-devel gcc-c++ make python3',
  },
  {
    id: 'alpine',
    name: 'Alpine',
    mounting: 'apk add fuse3',
    library: 'apk add fuse',
    compiling: 'apk add fuse-dev build-base python3',
  },
];

const REBUILD = 'npm rebuild fuse-native --ignore-scripts=false --foreground-scripts';
const MACOS =
  'On macOS: install macFUSE (brew install --cask macfuse), allow its system extension, and restart; ' +
  `on Apple silicon compile the package as well: ${REBUILD}.`;

/** Whole sentences: for this machine's system first, and all the others where it is none of them. */
export function installHint(machine: Machine): string {
  if (machine.platform === 'darwin') return MACOS;
  const all = distributionsOf(machine).map((distribution) => loadingHint(distribution, machine));
  return [
    ...all,
    ...(all.length > 1 ? [MACOS] : []),
    'If the package is not there: npm install --include=optional. As root no package is needed: SESSION_FUSE_DRIVER=direct.',
  ].join(' ');
}

/** The hint that names, for each distribution of the machine, the package that mounts for an ordinary user. */
export function fusermountHint(machine: Machine): string {
  return distributionsOf(machine)
    .map(({ name, mounting }) => `On ${name}: ${mounting}.`)
    .join(' ');
}

function distributionsOf({ readRelease }: Machine): readonly Distribution[] {
  const release = readRelease();
  const id = /^ID="?([\w.-]+)/m.exec(release)?.[1];
  const version = Number(/^VERSION_ID="?(\d+)/m.exec(release)?.[1] ?? Number.POSITIVE_INFINITY);
  const found = distributions.find(
    (one) => one.id === id && (one.before === undefined || version < one.before),
  );
  return found === undefined ? distributions : [found];
}

/** Compiled code comes for x64 with glibc only. */
function loadingHint({ name, mounting, library, compiling }: Distribution, { arch }: Machine): string {
  const command = arch === 'x64' && name !== 'Alpine' ? library : `${compiling} && ${REBUILD}`;
  return `On ${name}: ${mounting} && ${command}.`;
}
