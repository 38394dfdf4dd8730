/** deploy/helm/sessionfs, rendered by Helm. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { version } from '../../src/lib/version.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type Container, type Manifest, SCHEMAS, settingOf, validate, workloadOf } from './manifests.ts';
import { pythonTools, run } from './podman.ts';

const CHART = join(repository, 'deploy/helm/sessionfs');

/** 2: a warning, 3: an error. */
const LINT_INFO = 1;

interface Rendered {
  manifests: Manifest[];
  lint: { errors: unknown[]; messages: { severity: number }[] };
}

type Values = Record<string, unknown>;

const LEAST: Values = { bucket: 'your-bucket', application: { image: 'bot:1' } };
const MOST: Values = {
  ...LEAST,
  replicas: 3,
  umask: '027',
  imagePullSecrets: [{ name: 'registry' }],
  env: [{ name: 'SESSION_BACKUP_INTERVAL', value: '60000' }],
  envFrom: [{ secretRef: { name: 'aws' } }],
  application: {
    image: 'bot:1',
    command: ['node', 'bot.js'],
    args: ['--verbose'],
    env: [{ name: 'SESSION_DIR', value: '/share/sessions/user1-+15550001' }],
    envFrom: [{ configMapRef: { name: 'bot' } }],
    uid: 2000,
    gid: 3000,
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { httpGet: { path: '/', port: 'http' } },
    volumeMounts: [{ name: 'extra', mountPath: '/extra' }],
  },
  volumes: [{ name: 'extra', emptyDir: {} }],
  persistence: { size: '5Gi', storageClassName: 'premium-rwo' },
  serviceAccount: {
    annotations: { 'iam.gke.io/gcp-service-account': 'sessionfs@p.iam.gserviceaccount.com' },
  },
  networkPolicy: {
    enabled: true,
    metricsFrom: [{ podSelector: {} }],
    extraEgress: [{ ports: [{ port: 5432 }] }],
  },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
  podAnnotations: { a: 'b' },
  podLabels: { tier: 'bots' },
  nodeSelector: { pool: 'bots' },
  tolerations: [{ key: 'bots', operator: 'Exists' }],
};

const CASES = {
  least: LEAST,
  most: MOST,
  ownImage: { ...LEAST, image: { repository: 'REGISTRY/sessionfs' } },
  cloud: { ...LEAST, mode: 'cloud' },
  notKept: { ...LEAST, persistence: { enabled: false } },
} as const;
const REFUSED: readonly (readonly [Values, RegExp])[] = [
  [{ application: { image: 'bot:1' } }, /'\/bucket'/],
  [{ bucket: 'your-bucket' }, /'\/application\/image'/],
  [{ ...LEAST, mode: 'hybrd' }, /'\/mode'/],
  [{ ...LEAST, umask: '999' }, /'\/umask'/],
  [{ ...LEAST, buckets: 'a' }, /'buckets'/],
  [{ ...LEAST, application: { image: 'bot:1', uid: 0 } }, /'\/application\/uid'/],
];

let answers: readonly (Partial<Rendered> & { refused?: string })[];

// At once: a start of Helm takes seconds.
before(async () => {
  const script = join(repository, 'test/containers/render-chart.py');
  const stdin = JSON.stringify([...Object.values(CASES), ...REFUSED.map(([values]) => values)]);
  const { status, stdout, stderr } = await run(join(pythonTools, 'python3'), [script, CHART], { stdin });
  assert.equal(status, 0, stderr);
  answers = JSON.parse(stdout);
});

function rendered(name: keyof typeof CASES): Rendered {
  const { manifests, lint, refused } = answers[Object.keys(CASES).indexOf(name)] ?? {};
  assert.ok(manifests && lint, refused);
  return { manifests, lint };
}

function one(manifests: readonly Manifest[], kind: string): Manifest {
  const [found, ...others] = manifests.filter((manifest) => manifest.kind === kind);
  assert.ok(found && others.length === 0, kind);
  return found;
}

const podOf = (manifests: readonly Manifest[]) => one(manifests, 'StatefulSet').spec.template.spec;

test('what the chart makes is valid by the schemas of Kubernetes, and lint finds nothing', async (t) => {
  const least = rendered('least');
  const most = rendered('most');
  const kinds = ({ manifests }: Rendered) => manifests.map(({ kind }) => kind).toSorted();
  const always = ['PodDisruptionBudget', 'Service', 'ServiceAccount', 'StatefulSet'];
  assert.deepEqual(kinds(least), always);
  assert.deepEqual(kinds(most), [...always, 'NetworkPolicy', 'ServiceMonitor'].toSorted());
  for (const { lint } of [least, most]) {
    assert.deepEqual(lint.errors, []);
    // It would like an icon.
    assert.ok(
      lint.messages.every(({ severity }) => severity <= LINT_INFO),
      JSON.stringify(lint.messages),
    );
  }
  const file = join(temporaryDirectory(t), 'all.yaml');
  // A kind of Prometheus' operator has no schema in Kubernetes.
  const known = [...least.manifests, ...most.manifests].filter(({ kind }) => kind !== 'ServiceMonitor');
  writeFileSync(file, known.map((manifest) => JSON.stringify(manifest)).join('\n---\n'));
  for (const schema of SCHEMAS) await validate(schema, [file]);
});

test('the chart’s sidecar is that of deploy/kubernetes/statefulset.yaml, and its application has no right', async () => {
  const { manifests } = rendered('ownImage');
  const { initContainers = [], containers, terminationGracePeriodSeconds } = podOf(manifests);
  const { spec } = (await workloadOf('statefulset.yaml')).spec.template;
  const comparable = ([container]: readonly Container[]) => {
    assert.ok(container);
    const { imagePullPolicy, env, ...rest } = container as Container & { imagePullPolicy?: string };
    return { ...rest, env: env.filter(({ name }) => name !== 'SESSION_UMASK') };
  };
  assert.deepEqual(comparable(initContainers), comparable(spec.initContainers ?? []));
  assert.equal(terminationGracePeriodSeconds, spec.terminationGracePeriodSeconds);
  const [bot] = containers;
  const [manual] = spec.containers;
  assert.deepEqual(
    [bot?.securityContext, bot?.livenessProbe, bot?.volumeMounts],
    [manual?.securityContext, manual?.livenessProbe, manual?.volumeMounts],
  );
});

test('values reach the settings of sessionfs, and the owner is the application’s user', () => {
  const { manifests } = rendered('most');
  const { initContainers = [], containers } = podOf(manifests);
  const [sessionfs] = initContainers;
  const [bot] = containers;
  assert.ok(sessionfs && bot);
  assert.equal(settingOf(sessionfs, 'SESSION_UMASK'), '027');
  assert.equal(settingOf(sessionfs, 'SESSION_BACKUP_INTERVAL'), '60000');
  assert.equal(settingOf(sessionfs, 'SESSION_OWNER'), '2000:3000');
  assert.deepEqual([bot.securityContext.runAsUser, bot.securityContext.runAsGroup], [2000, 3000]);
  const account = one(manifests, 'ServiceAccount');
  assert.ok(account.metadata.annotations?.['iam.gke.io/gcp-service-account']);
  assert.equal(podOf(manifests).serviceAccountName, account.metadata.name);
});

test('the ServiceMonitor finds the service, and its port is one of the pod', () => {
  const { manifests } = rendered('most');
  const monitor = one(manifests, 'ServiceMonitor') as unknown as {
    apiVersion: string;
    metadata: { labels: Record<string, string> };
    spec: {
      selector: { matchLabels: Record<string, string> };
      endpoints: { port: string; path: string; interval: string }[];
    };
  };
  assert.equal(monitor.apiVersion, 'monitoring.coreos.com/v1');
  assert.equal(monitor.metadata.labels.release, 'prometheus');
  assert.deepEqual(monitor.spec.endpoints, [{ port: 'metrics', path: '/metrics', interval: '30s' }]);
  const { labels = {} } = one(manifests, 'Service').metadata;
  for (const [name, value] of Object.entries(monitor.spec.selector.matchLabels))
    assert.equal(labels[name], value);
  const [sessionfs] = podOf(manifests).initContainers ?? [];
  assert.ok(sessionfs?.ports?.some(({ name }) => name === 'metrics'));
});

test('a cache that lies in memory, or is not to be kept, needs no disk', () => {
  for (const name of ['cloud', 'notKept'] as const) {
    const { manifests } = rendered(name);
    assert.equal(one(manifests, 'StatefulSet').spec.volumeClaimTemplates, undefined);
    assert.deepEqual(podOf(manifests).volumes.find(({ name }) => name === 'cache')?.emptyDir, {});
  }
  const kept = one(rendered('least').manifests, 'StatefulSet').spec.volumeClaimTemplates;
  assert.deepEqual(
    kept?.map(({ metadata }) => metadata.name),
    ['cache'],
  );
});

test('values that cannot work are refused before anything is made', () => {
  const made = Object.keys(CASES).length;
  for (const [index, [, said]] of REFUSED.entries()) assert.match(answers[made + index]?.refused ?? '', said);
});

test('the chart is of this version', () => {
  const text = readFileSync(join(CHART, 'Chart.yaml'), 'utf8');
  assert.equal(/^appVersion: "(.*)"$/m.exec(text)?.[1], version);
});
