/** How a value that a user typed is repeated to them: on one line, not endless, and never when it may be a key. */
export function quote(text: string): string {
  if (/[0-9a-f]{32}/i.test(text) || (text.match(BASE64) ?? []).some(isMixed))
    return `(${text.length} characters, not shown: they may be a key)`;
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/** Whether the whole text may be a key, in hex digits or in base64. */
export function mayBeKey(text: string): boolean {
  if (/^[0-9a-f]{32,}$/i.test(text)) return true;
  return new RegExp(`^${BASE64.source}$`).test(text) && isMixed(text);
}

/** 30 bytes or more; also as it is written for URLs. */
const BASE64 = /[A-Za-z0-9+/_-]{40,}={0,2}/g;
/** More than that in one line is a path. */
const SLASHES_MAX = 3;

/** Random bytes have all three in base64; a name or a path hardly ever has. */
function isMixed(text: string): boolean {
  const slashes = text.split('/').length - 1;
  return [/[A-Z]/, /[a-z]/, /[0-9]/].every((kind) => kind.test(text)) && slashes <= SLASHES_MAX;
}
