/** A line of the log for people on a terminal: the time of day, the level, the message, then the fields. */

const PLAIN = /^[\w@%+=:,./-]+$/;
/** What a terminal may take for an order: names of files are the application's to choose. */
const CONTROL = /\p{Cc}/gu;
const COLORS: Readonly<Record<string, string>> = {
  warn: '33',
  error: '31',
  fatal: '31',
  debug: '2',
  trace: '2',
};
const LEVEL_WIDTH = 5;

/** `line`: one JSON object; what is none is returned as it is, without control characters. */
export function humanLine(line: string, colors: boolean): string {
  const record = parsed(line);
  if (record === undefined) return harmless(line, '\n');
  const { level, time, pid: _, msg, err, ...fields } = record;
  const paint = (text: string, color: string | undefined) =>
    colors && color !== undefined && text !== '' ? `\u001b[${color}m${text}\u001b[0m` : text;
  const name = String(level);
  const parts = [
    timeOfDay(String(time)),
    paint(name.toUpperCase().padEnd(LEVEL_WIDTH), COLORS[name]),
    harmless(String(msg ?? '')),
    paint(
      Object.entries(fields)
        .map(([field, value]) => `${harmless(field)}=${shown(value)}`)
        .join(' '),
      '2',
    ),
  ];
  return `${parts.filter((part) => part !== '').join(' ')}\n${errorText(err)}`;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const record: unknown = JSON.parse(line);
    return typeof record === 'object' && record !== null ? (record as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** In the terminal's time zone. */
function timeOfDay(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : date.toTimeString().slice(0, 8);
}

function shown(value: unknown): string {
  if (typeof value === 'string' && PLAIN.test(value)) return value;
  return harmless(JSON.stringify(value) ?? String(value));
}

/** With its stack, indented. */
function errorText(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { stack, message } = error as { stack?: unknown; message?: unknown };
  const text = harmless(String(stack ?? message ?? JSON.stringify(error)), '\n');
  return `${text.replace(/^/gm, '  ')}\n`;
}

function harmless(text: string, kept = ''): string {
  return text.replace(CONTROL, (character) =>
    kept.includes(character) ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
