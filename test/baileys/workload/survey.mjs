import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { options } from './options.mjs';

/** The longer of two names that begin alike comes first. */
const CATEGORIES = [
  'app-state-sync-version',
  'app-state-sync-key',
  'sender-key-memory',
  'sender-key',
  'pre-key',
  'session',
  'lid-mapping',
  'device-list',
  'identity-key',
  'tctoken',
];

function categoryOf(file) {
  if (file === 'creds.json') return 'creds';
  return CATEGORIES.find((category) => file.startsWith(`${category}-`)) ?? 'other';
}

function parsed(text) {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function count(categories, file, size) {
  const name = categoryOf(file);
  categories[name] ??= { files: 0, bytes: 0, min: Number.POSITIVE_INFINITY, max: 0, example: file };
  const category = categories[name];
  category.files++;
  category.bytes += size;
  category.min = Math.min(category.min, size);
  category.max = Math.max(category.max, size);
}

function surveyFolder(dir, folder, report) {
  let creds = 'missing';
  for (const file of readdirSync(join(dir, folder))) {
    // Of the round before, and of an application that was killed while it wrote.
    if (file.endsWith('.tmp')) continue;
    const path = join(dir, folder, file);
    const { size } = statSync(path);
    const text = readFileSync(path, 'utf8');
    const read = Buffer.byteLength(text);
    const json = parsed(text);
    if (!json) report.bad.push(`${folder}/${file}: ${size === 0 ? 'empty' : 'not JSON'} (${size} bytes)`);
    if (read !== size) report.bad.push(`${folder}/${file}: stat says ${size}, read ${read}`);
    if (file === 'creds.json') creds = json?.value?.me?.id ? 'paired' : 'would start over';
    report.files++;
    report.bytes += size;
    report.longestName = Math.max(report.longestName, file.length);
    count(report.categories, file, size);
  }
  if (creds !== 'paired') report.bad.push(`${folder}: creds.json ${creds}`);
}

async function surveyState(dir, folder, report) {
  const { surveyDatabase } = await import('../next-sqlite.mjs');
  const { integrity, creds, keys } = surveyDatabase(join(dir, folder));
  report.files++;
  if (integrity !== 'ok') report.bad.push(`${folder}: ${integrity}`);
  if (!creds?.me?.id || keys === 0) report.bad.push(`${folder}: would start over`);
}

/** Reads every file of every account folder in `dir`, and says which are bad. */
export async function survey(dir) {
  const report = { files: 0, bytes: 0, longestName: 0, categories: {}, bad: [] };
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/^user\d+-/.test(entry.name)) continue;
    if (options.state === 'next-sqlite') await surveyState(dir, entry.name, report);
    else surveyFolder(dir, entry.name, report);
  }
  return report;
}
