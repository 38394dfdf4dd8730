/** The settings as options of mount(8) and /etc/fstab: `umask=022` for `--umask=022`. */
import { usage } from '../lib/errors.ts';
import { nearestName } from '../lib/nearest-name.ts';
import { quote } from '../lib/quote.ts';
import { readOnlyFlag, settingFlags } from './setting-flags.ts';

/** What mount(8) itself and systemd read, and what is so for each mount of sessionfs. */
const WITHOUT_EFFECT = [
  ...['defaults', 'rw', 'async', 'auto', 'noauto', 'nofail', '_netdev', 'nouser', 'exec'],
  ...['nosuid', 'nodev', 'noatime', 'allow_other', 'default_permissions'],
];
const OF_OTHER_PROGRAMS = /^(x-|X-|comment=)/;
const REFUSED: Readonly<Record<string, string>> = {
  key: 'every user of the machine can read options; name a file with key_file=FILE',
  encryption_key: 'every user of the machine can read options; name a file with key_file=FILE',
};
/** Shorter names of flags. */
const ALIASES: Readonly<Record<string, string>> = {
  key_file: '--encryption-key-file',
  mode: '--storage-type',
};
const OWNER = '--owner';

/**
 * The flags of `mount` with those that its `-o` stands for. Throws USAGE: for an option that is not understood, and for a setting
 * that is given twice.
 */
export function withMountOptions(given: ReadonlyMap<string, string>): Map<string, string> {
  const flags = new Map(given);
  for (const [flag, value] of flagsOfOptions(given.get('--options') ?? '')) {
    if (flags.has(flag)) throw usage(`${flag} and ${optionOf(flag)}= are both given`);
    flags.set(flag, value);
  }
  return flags;
}

function flagsOfOptions(text: string): Map<string, string> {
  const flags = new Map<string, string>();
  const ids = new Map<string, string>();
  for (const option of text.split(',')) {
    const at = option.indexOf('=');
    const [name, value] = at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
    if (option === '' || WITHOUT_EFFECT.includes(option) || OF_OTHER_PROGRAMS.test(option)) continue;
    if (option === 'ro') {
      flags.set(readOnlyFlag.flag, '');
      continue;
    }
    const refusal = REFUSED[name];
    if (refusal !== undefined) throw usage(`the mount option ${name} is not supported: ${refusal}`);
    const isId = name === 'uid' || name === 'gid';
    const flag = isId ? OWNER : flagOf(name);
    if (!value) throw usage(`the mount option ${name} needs a value: ${name}=…`);
    const target = isId ? ids : flags;
    const key = isId ? name : flag;
    if (target.has(key)) throw usage(`the mount option ${name} is given twice`);
    target.set(key, value);
  }
  if (ids.size === 0) return flags;
  const [uid, gid] = [ids.get('uid'), ids.get('gid')];
  if (uid === undefined || gid === undefined || flags.has(OWNER))
    throw usage('the mount options uid= and gid= belong together, without owner=');
  return flags.set(OWNER, `${uid}:${gid}`);
}

/** Throws USAGE. */
function flagOf(name: string): string {
  const known = settingFlags.map(({ flag }) => flag);
  const flag = ALIASES[name] ?? `--${name.replaceAll('_', '-')}`;
  if (known.includes(flag)) return flag;
  const nearest = nearestName(name, [...known.map(optionOf), ...Object.keys(ALIASES), 'uid', 'gid']);
  const hint = 'Options are the flags of `sessionfs mount`, such as umask=022 or key_file=FILE.';
  throw usage(`there is no mount option ${quote(name)}`, {
    hint: nearest === undefined ? hint : `Did you mean ${nearest}=? ${hint}`,
  });
}

function optionOf(flag: string): string {
  return flag.slice(2).replaceAll('-', '_');
}
