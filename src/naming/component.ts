/**
 * One path component as it is written in an object name and in the cache: itself, but for what Cloud Storage refuses
 * (CR, LF, '.' and '..'), what its listings and gsutil mangle (control characters, '#' as a generation, wildcards,
 * '$' as in `_$folder$`), U+FFFD (what a name that is not UTF-8 decodes to) and '%', which become the %XX of their UTF-8 bytes.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const escaped = /[\x00-\x1f\x7f-\x9f%#$*?[\]\ufffd-\uffff]/;
const escapedAll = new RegExp(escaped, 'g');
const escapeRun = /(?:%[0-9A-F]{2})+/g;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Percent-escapes every character of `text`, whether it needs it or not. */
export function escapeAll(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}

export function encodeComponent(name: string): string {
  if (name === '.' || name === '..') return escapeAll(name);
  return escaped.test(name) ? name.replace(escapedAll, escapeAll) : name;
}

/**
 * A name whose encoding may be `text`, or undefined where there is none. Not yet the inverse: the caller encodes the
 * answer again and compares, so that what is escaped without need, or not escaped in spite of need, is refused.
 */
export function decodeComponent(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return text.replace(escapeRun, (run) => decoder.decode(Buffer.from(run.replaceAll('%', ''), 'hex')));
  } catch {
    return undefined;
  }
}
