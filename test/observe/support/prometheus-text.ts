/** A strict reader of the Prometheus text format: what it does not understand it refuses. */

export interface Exposition {
  /** By metric name, `# HELP`. */
  readonly helps: ReadonlyMap<string, string>;
  /** By metric name, `# TYPE`. */
  readonly types: ReadonlyMap<string, string>;
  /** By name and labels, as `name{a="b"}`, labels in alphabetical order. */
  readonly samples: ReadonlyMap<string, number>;
}

const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[\d.eE+-]+|NaN|[+-]Inf)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/gy;

export function parseExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const helps = new Map<string, string>();
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const [, kind, described, rest] = COMMENT.exec(line) ?? [];
    if (kind !== undefined) {
      add(kind === 'TYPE' ? types : helps, described ?? '', rest ?? '');
      continue;
    }
    const [, name, labels, value] = SAMPLE.exec(line) ?? [];
    if (name === undefined || !types.has(familyOf(name, types))) throw new Error(`not understood: ${line}`);
    add(samples, name + normalized(labels), Number(value));
  }
  return { helps, types, samples };
}

function add<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.has(key)) throw new Error(`${key} is there twice`);
  map.set(key, value);
}

function familyOf(name: string, types: ReadonlyMap<string, string>): string {
  const family = name.replace(/_(bucket|sum|count)$/, '');
  return types.get(family) === 'histogram' ? family : name;
}

function normalized(labels: string | undefined): string {
  if (labels === undefined) return '';
  const found = [...labels.matchAll(LABEL)];
  if (found.map(([whole]) => whole).join('') !== labels) throw new Error(`labels not understood: ${labels}`);
  return `{${found
    .map(([, name, value]) => `${name}="${value}"`)
    .sort()
    .join(',')}}`;
}
