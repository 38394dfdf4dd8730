/**
 * Module hooks (node:module, register): under src/ every module that reaches outside the process is another one, and so is
 * every global that tells the time or decides by chance. src/ itself is as it ships.
 */
import type { LoadHook, ResolveHook } from 'node:module';

const SOURCE = new URL('../../../src/', import.meta.url).href;

const REPLACED = new Map(
  [
    ['node:fs', 'fs-module.js'],
    ['node:fs/promises', 'fs-promises-module.js'],
    ['node:timers/promises', 'timers-promises.js'],
    ['node:crypto', 'crypto.js'],
    ['node:child_process', 'child-process.js'],
    ['node:os', 'os.js'],
  ].map(([name = '', file = '']) => [name, new URL(file, import.meta.url).href]),
);

/** Modules of src/ that reach outside by themselves. */
const REPLACED_SOURCES = new Map(
  [
    ['bucket/open.js', 'bucket-open.js'],
    ['lib/version.js', 'version.js'],
  ].map(([name = '', file = '']) => [`${SOURCE}${name}`, new URL(file, import.meta.url).href]),
);

const GLOBALS = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'performance',
  'Date',
  'Math',
];

export const resolve: ResolveHook = (specifier, context, next) => {
  const { parentURL } = context;
  if (!parentURL?.startsWith(SOURCE)) return next(specifier, context);
  const replacement = specifier.startsWith('.')
    ? REPLACED_SOURCES.get(new URL(specifier, parentURL).href)
    : REPLACED.get(specifier);
  return replacement === undefined ? next(specifier, context) : { url: replacement, shortCircuit: true };
};

export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context);
  if (!url.startsWith(SOURCE) || loaded.format !== 'module') return loaded;
  const source = String(loaded.source);
  const used = GLOBALS.filter((name) => usesGlobal(source, name));
  if (used.length === 0) return loaded;
  // On the first line, so that the numbers of lines stay.
  const globals = new URL('globals.js', import.meta.url).href;
  return { ...loaded, source: `import { ${used.join(', ')} } from '${globals}'; ${source}` };
};

/** Of Math only what decides by chance, of timers nothing that was imported by that name. */
function usesGlobal(source: string, name: string): boolean {
  if (name === 'Math') return source.includes('Math.random');
  const imported = new RegExp(`import[^;]*[{,]\\s*${name}\\s*[,}]`);
  return new RegExp(`(?<![.\\w])${name}\\b`).test(source) && !imported.test(source);
}
