/** The alerts and the dashboard of deploy/, by Prometheus' own tool and Grafana's own schema. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toOpenMetrics } from '../../src/observe/open-metrics.ts';
import { parseExposition } from '../observe/support/prometheus-text.ts';
import { markdownTable } from '../support/markdown-table.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { exposition, grafanaSchema, openMetricsParser, promtool } from './support.ts';

const PROMETHEUS = join(repository, 'deploy/prometheus');
const DASHBOARD = join(repository, 'deploy/grafana/sessionfs.json');
const alerts = readFileSync(join(PROMETHEUS, 'alerts.yaml'), 'utf8');
const alertTests = readFileSync(join(PROMETHEUS, 'alerts.test.yaml'), 'utf8');
const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
const { types, samples, text } = await metrics();

async function metrics() {
  const text = await exposition();
  return { ...parseExposition(text), text };
}

/** What an expression asks for, as `name` and the labels that it compares. */
function selectorsOf(expression: string): { name: string; labels: string[][] }[] {
  return [...expression.matchAll(/\b((?:sessionfs|process)_[a-z_]+)(?:\{([^}]*)\})?/g)].map(
    ([, name = '', inside = '']) => ({
      name,
      labels: [...inside.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(
        ([, label = '', by = '', value = '']) => [label, by, value],
      ),
    }),
  );
}

/** Why Prometheus would find nothing; undefined: it finds something. */
function problemOf(expression: string): string | undefined {
  for (const { name, labels } of selectorsOf(expression)) {
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (!types.has(family)) return `no metric ${name}`;
    const own = [...samples.keys()].filter((sample) => sample.startsWith(`${name}{`) || sample === name);
    if (own.length === 0) return `no sample of ${name}`;
    for (const [label, by, value] of labels) {
      if (label === 'instance') continue;
      if (!own.some((sample) => sample.includes(`${label}="`))) return `${name} has no label ${label}`;
      if (by === '=' && !own.some((sample) => sample.includes(`${label}="${value}"`)))
        return `${name} has no ${value}`;
    }
  }
  return undefined;
}

test('Prometheus finds no fault in the metrics', () => {
  const { stdout, stderr, status } = promtool(['check', 'metrics'], text);
  assert.deepEqual([status, stdout, stderr], [0, '', '']);
});

test('as OpenMetrics they are read by a strict parser, and each is there', () => {
  const read = openMetricsParser(toOpenMetrics(text));
  assert.deepEqual([read.status, read.stdout.trim(), read.stderr], [0, String(types.size), '']);
  assert.equal(openMetricsParser(text).status, 1);
});

test('Prometheus takes the alerts, each fires for its reason alone, and none on a quiet day', () => {
  const checked = promtool(['check', 'rules', join(PROMETHEUS, 'alerts.yaml')]);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  const tested = promtool(['test', 'rules', join(PROMETHEUS, 'alerts.test.yaml')]);
  assert.equal(tested.status, 0, tested.stdout + tested.stderr);
  for (const name of names)
    assert.ok(alertTests.includes(`{alertname="${name}"}`), `no test has ${name} fire`);
});

test('the tests of the alerts see one that never fires, and one that always does', (t) => {
  const wrong = alerts
    .replace('sessionfs_cache_free_bytes < 1073741824', 'sessionfs_cache_free_bytes < 1')
    .replace('sessionfs_lease_waiting > 0', 'sessionfs_lease_waiting >= 0');
  const folder = temporaryDirectory(t);
  cpSync(PROMETHEUS, folder, { recursive: true });
  writeFileSync(join(folder, 'alerts.yaml'), wrong);
  const { status, stdout, stderr } = promtool(['test', 'rules', join(folder, 'alerts.test.yaml')]);
  assert.equal(status, 1);
  assert.match(stdout + stderr, /exp: *\{alertname="SessionfsDiskLow"\}/);
  assert.match(stdout + stderr, /got: *\{alertname="SessionfsLeaseWaits"\}/);
});

test('the alerts ask for what a daemon has', () => {
  const expressions = [...alerts.matchAll(/^ +expr: (.+)$/gm)].map(([, expression = '']) => expression);
  assert.equal(expressions.length, names.length);
  for (const expression of expressions) assert.equal(problemOf(expression), undefined, expression);
  assert.equal(
    problemOf('rate(sessionfs_backups_total{result="failed"}[1m])'),
    'sessionfs_backups_total has no failed',
  );
});

test('docs/operations.md says of each alert what to do', () => {
  const rows = markdownTable('docs/operations.md', ['alert', 'fires when', 'what to do']);
  assert.deepEqual(
    rows.map(([name]) => name?.replaceAll('`', '')),
    names,
  );
  for (const [name, , what = ''] of rows) assert.ok(what.length > 20, name);
});

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  targets?: { expr: string; refId: string; datasource: { uid: string } }[];
}

test('the schema of Grafana knows everything in the dashboard', (t) => {
  const { stdout, stderr, status } = grafanaSchema(DASHBOARD);
  assert.deepEqual([status, stdout, stderr], [0, '', '']);
  const wrong = join(temporaryDirectory(t), 'wrong.json');
  writeFileSync(wrong, readFileSync(DASHBOARD, 'utf8').replace('"legendFormat"', '"legend"'));
  assert.match(grafanaSchema(wrong).stdout, /\/legend\n/);
});

test('the panels of the dashboard ask for what a daemon has, and do not cover each other', () => {
  const dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
    panels: Panel[];
    templating: { list: { name: string; type: string }[] };
  };
  assert.deepEqual(
    dashboard.templating.list.map(({ name, type }) => [name, type]),
    [
      ['datasource', 'datasource'],
      ['instance', 'query'],
    ],
  );
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = new Set<string>();
  for (const { title, type, gridPos, targets = [], datasource } of panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x >= 0 && x + w <= 24, title);
    for (let row = y; row < y + h; row++)
      for (let column = x; column < x + w; column++) {
        assert.ok(!cells.has(`${row} ${column}`), `${title} covers another panel`);
        cells.add(`${row} ${column}`);
      }
    if (type === 'row') continue;
    assert.ok(targets.length > 0, title);
    assert.equal(datasource?.uid, ['$', '{datasource}'].join(''), title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const { expr } of targets) {
      assert.equal(problemOf(expr), undefined, `${title}: ${expr}`);
      for (const { name, labels } of selectorsOf(expr))
        if (name !== 'sessionfs_build_info')
          assert.ok(
            labels.some(([label]) => label === 'instance'),
            `${title}: ${expr}`,
          );
    }
  }
  // Everything that says something of sessions is on it.
  const shown = JSON.stringify(panels);
  const missing = [...types.keys()].filter((name) => name.startsWith('sessionfs_') && !shown.includes(name));
  assert.deepEqual(missing, ['sessionfs_trash_archives']);
});

test('Prometheus takes every expression of the dashboard', (t) => {
  const text = readFileSync(DASHBOARD, 'utf8');
  const expressions = [...text.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(
    ([, json = '']) => JSON.parse(json) as string,
  );
  const rules = expressions.map((expression, index) => {
    const whole = expression
      .replaceAll('$__rate_interval', '5m')
      .replaceAll('$__range', '6h')
      .replaceAll('$__interval', '1m');
    return { record: `panel:${index}`, expr: whole };
  });
  const file = join(temporaryDirectory(t), 'rules.yaml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  const { status, stdout, stderr } = promtool(['check', 'rules', file]);
  assert.equal(status, 0, stdout + stderr);
});
