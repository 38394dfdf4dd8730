/** How a value that a user typed is repeated to them: on one line, not endless, and never when it may be a key. */
export function quote(text: string): string {
  if (/[0-9a-f]{32}/i.test(text)) return `(${text.length} characters, not shown: they may be a key)`;
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
