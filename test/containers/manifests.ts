/** deploy/kubernetes/, read as Kubernetes reads it. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from '../support/repository.ts';
import { pythonTools, run } from './podman.ts';

const folder = join(repository, 'deploy/kubernetes');
export const manifestFiles = readdirSync(folder).map((name) => join(folder, name));

/** Native sidecars are there since 1.29, the field for AppArmor since 1.30. */
export const SCHEMAS = ['1.30', '1.33', '1.37'];

/** Rejects with what is not as the schemas of that Kubernetes say. */
export async function validate(version: string, files: readonly string[]): Promise<void> {
  const tool = join(pythonTools, 'kubernetes-validate');
  const { status, stdout, stderr } = await run(tool, ['--strict', '-k', version, ...files]);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
}

export const sidecarFiles = ['statefulset.yaml', 'deployment.yaml'];

export interface Variable {
  name: string;
  value: string;
}

export interface Probe {
  httpGet?: { path: string; port: string | number };
  exec?: { command: string[] };
}

export interface Container {
  name: string;
  image: string;
  restartPolicy?: string;
  command?: string[];
  args?: string[];
  env: Variable[];
  ports?: { name: string; containerPort: number }[];
  securityContext: Record<string, unknown>;
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop: { exec: { command: string[] } } };
  resources?: unknown;
  volumeMounts: { name: string; mountPath: string; mountPropagation?: string; readOnly?: boolean }[];
}

export interface PodSpec {
  serviceAccountName: string;
  hostUsers?: boolean;
  terminationGracePeriodSeconds: number;
  securityContext?: Record<string, unknown>;
  initContainers?: Container[];
  containers: Container[];
  volumes: { name: string; emptyDir?: object; secret?: { secretName: string } }[];
}

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; annotations?: Record<string, string>; labels?: Record<string, string> };
  spec: {
    strategy?: { type: string };
    maxUnavailable?: number;
    selector?: { matchLabels: Record<string, string> };
    volumeClaimTemplates?: { metadata: { name: string } }[];
    template: { spec: PodSpec };
  };
}

const TO_JSON = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))';

export async function manifestsOf(file: string): Promise<Manifest[]> {
  const { status, stdout, stderr } = await run(join(pythonTools, 'python3'), ['-c', TO_JSON, file]);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Manifest[];
}

/** The one workload of a file. */
export async function workloadOf(name: string): Promise<Manifest> {
  const [manifest, ...others] = await manifestsOf(join(folder, name));
  assert.ok(manifest && others.length === 0, name);
  return manifest;
}

export function settingOf({ env }: Container, name: string): string {
  return env.find((variable) => variable.name === name)?.value ?? assert.fail(`${name} is not set`);
}
