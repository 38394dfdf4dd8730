import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry } from '../../src/observe/registry.ts';

test('the text is that of the format, blank lines between families', () => {
  const registry = new MetricRegistry();
  const counter = registry.counter('a_total', 'Of a.', { result: ['good', 'bad'], how: ['slow'] });
  counter.add({ how: 'slow', result: 'bad' }, 2);
  counter.add({ how: 'fast', result: 'bad' }, 1);
  registry.counter('b_total', 'Of b.').add({}, 1.5);
  registry.computedGauge('absent', 'None.', () => undefined);
  assert.equal(
    registry.render(),
    `# HELP a_total Of a.
# TYPE a_total counter
a_total{result="good",how="slow"} 0
a_total{result="bad",how="slow"} 2
a_total{result="bad",how="fast"} 1

# HELP b_total Of b.
# TYPE b_total counter
b_total 1.5

# HELP absent None.
# TYPE absent gauge
`,
  );
});

test('a histogram is cumulative, and its bounds are part of their buckets', () => {
  const registry = new MetricRegistry();
  const plain = registry.histogram('p', 'P.', [1, 2]);
  const labelled = registry.histogram('l', 'L.', [1], ['operation']);
  for (const value of [1, 1.5, 2, 3]) plain.observe({}, value);
  labelled.observe({ operation: 'put' }, 4);
  const lines = registry
    .render()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(lines, [
    'p_bucket{le="1"} 1',
    'p_bucket{le="2"} 3',
    'p_bucket{le="+Inf"} 4',
    'p_sum 7.5',
    'p_count 4',
    'l_bucket{operation="put",le="1"} 0',
    'l_bucket{operation="put",le="+Inf"} 1',
    'l_sum{operation="put"} 4',
    'l_count{operation="put"} 1',
  ]);
});

test('what a label, a help and a number may not say by themselves is escaped', () => {
  const registry = new MetricRegistry();
  const gauge = registry.gauge('g', 'One \\ line\nor two, "quoted".', ['a']);
  gauge.set({ a: 'x\\y"z\nend' }, Number.POSITIVE_INFINITY);
  gauge.set({ a: 'b' }, Number.NEGATIVE_INFINITY);
  gauge.set({ a: 'c' }, Number.NaN);
  assert.equal(
    registry.render(),
    `# HELP g One \\\\ line\\nor two, "quoted".
# TYPE g gauge
g{a="x\\\\y\\"z\\nend"} +Inf
g{a="b"} -Inf
g{a="c"} NaN
`,
  );
});
