import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Container,
  manifestFiles,
  manifestsOf,
  SCHEMAS,
  settingOf,
  sidecarFiles,
  validate,
  workloadOf,
} from './manifests.ts';
import { playedImages } from './pod.ts';
import { pythonTools, run } from './podman.ts';

test('the manifests are valid by the schemas of Kubernetes', async () => {
  for (const version of SCHEMAS) await validate(version, manifestFiles);
  const { status } = await run(join(pythonTools, 'kubernetes-validate'), ['--strict', '/dev/stdin'], {
    stdin: 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {container: []}\n',
  });
  assert.notEqual(status, 0, 'what is not valid passes too');
});

test('the manifests refer to one another, and give the end more time than the last backup may take', async () => {
  const all = (await Promise.all(manifestFiles.map(manifestsOf))).flat();
  const names = (kind: string) => all.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name);
  const account = all.find(({ kind }) => kind === 'ServiceAccount');
  assert.ok(account?.metadata.annotations?.['iam.gke.io/gcp-service-account']);
  const workloads = all.filter(({ kind }) => /^(StatefulSet|Deployment)$/.test(kind));
  assert.equal(workloads.length, 5);
  for (const { spec } of workloads) {
    const { spec: pod } = spec.template;
    assert.deepEqual([pod.serviceAccountName], names('ServiceAccount'));
    const claimed = (spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name);
    const volumes = [...pod.volumes.map(({ name }) => name), ...claimed];
    const containers = [...(pod.initContainers ?? []), ...pod.containers];
    for (const { volumeMounts } of containers)
      for (const { name } of volumeMounts) assert.ok(volumes.includes(name), name);
    assert.deepEqual([pod.volumes.find(({ secret }) => secret)?.secret?.secretName], names('Secret'));
    for (const { image } of containers) assert.ok(image in playedImages, image);
    const [sessionfs] = containers;
    assert.ok(sessionfs);
    const lastBackupMs = Number(settingOf(sessionfs, 'SESSION_SHUTDOWN_TIMEOUT'));
    const preStopS = Number(sessionfs.lifecycle?.preStop.exec.command[1] ?? 0);
    assert.ok(pod.terminationGracePeriodSeconds > lastBackupMs / 1000 + preStopS + 30);
    assert.deepEqual(sessionfs.startupProbe?.exec?.command, ['sessionfs-ready']);
  }
});

test('no container has more rights than its comments say, and none may write to its own image', async () => {
  const all = (await Promise.all(manifestFiles.map(manifestsOf))).flat();
  const workloads = all.filter(({ kind }) => /^(StatefulSet|Deployment)$/.test(kind));
  for (const { spec } of workloads) {
    const { initContainers = [], containers } = spec.template.spec;
    for (const { name, image, securityContext } of [...initContainers, ...containers]) {
      assert.equal(securityContext.readOnlyRootFilesystem, true, name);
      if (securityContext.privileged === true) continue;
      const { drop } = securityContext.capabilities as { drop: string[] };
      assert.deepEqual(drop, ['ALL'], image);
      const podContext = spec.template.spec.securityContext ?? {};
      assert.ok(securityContext.seccompProfile ?? podContext.seccompProfile, `${image}: seccomp`);
    }
  }
  const isolated = (await workloadOf('run-user-namespace.yaml')).spec.template.spec;
  assert.equal(isolated.hostUsers, false);
  assert.notEqual(isolated.containers[0]?.securityContext.privileged, true);
});

test('a drain ends one pod at a time', async () => {
  const all = (await Promise.all(manifestFiles.map(manifestsOf))).flat();
  const budgets = all.filter(({ kind }) => kind === 'PodDisruptionBudget');
  assert.deepEqual(
    budgets.map(({ spec }) => [spec.maxUnavailable, spec.selector?.matchLabels]),
    [[1, { 'app.kubernetes.io/name': 'bot' }]],
  );
});

test('the sidecar starts before the application, ends after it, and shares its mount with one that has no rights', async () => {
  for (const name of sidecarFiles) {
    const { spec } = await workloadOf(name);
    const [sessionfs] = spec.template.spec.initContainers ?? [];
    const [bot] = spec.template.spec.containers;
    assert.ok(sessionfs && bot);
    assert.equal(sessionfs.restartPolicy, 'Always');
    const propagation = ({ volumeMounts }: Container) =>
      volumeMounts.find((mount) => mount.name === 'share')?.mountPropagation;
    assert.equal(propagation(sessionfs), 'Bidirectional');
    assert.equal(propagation(bot), 'HostToContainer');
    assert.equal(sessionfs.securityContext.privileged, true);
    const { runAsUser, runAsGroup, runAsNonRoot, allowPrivilegeEscalation, capabilities } =
      bot.securityContext;
    assert.equal(`${runAsUser}:${runAsGroup}`, settingOf(sessionfs, 'SESSION_OWNER'));
    assert.deepEqual(
      [runAsNonRoot, allowPrivilegeEscalation, capabilities],
      [true, false, { drop: ['ALL'] }],
    );
  }
  assert.equal((await workloadOf('deployment.yaml')).spec.strategy?.type, 'Recreate');
});
