/**
 * A pod of deploy/kubernetes played by podman, which knows no native sidecars: each container is a pod of its own, and the test
 * starts and ends them in Kubernetes' order. Volumes are folders of the host, the bucket is an emulator's.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../src/lib/version.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { BOT, BOT_ALONE, SESSIONFS } from './images.ts';
import type { Container, Variable } from './manifests.ts';
import {
  exitStatusOf,
  logOf,
  PATIENT_SHUTDOWN_MS,
  podman,
  run,
  stopContainer,
  until,
  untilMounted,
} from './podman.ts';
import { sharedFolder } from './share.ts';

/** What stands for the images of the manifests: those of this version. */
export const playedImages: Readonly<Record<string, string>> = {
  [`REGISTRY/sessionfs:${version}`]: SESSIONFS,
  'REGISTRY/sessionfs-example-bot:1.0.0': BOT,
  'REGISTRY/sessionfs-example-bot-alone:1.0.0': BOT_ALONE,
};

let played = 0;

export class Pod {
  readonly share: string;
  readonly #folders: Record<string, string>;
  readonly #settings: readonly Variable[];
  readonly #scope: Scope;
  readonly #names = new Map<Container, string>();

  static async create(scope: Scope): Promise<Pod> {
    const emulator = await gcsEmulator();
    return new Pod(scope, [
      { name: 'STORAGE_EMULATOR_HOST', value: emulator },
      { name: 'STORAGE_BUCKET', value: await createTestBucket(emulator) },
      { name: 'SESSION_SHUTDOWN_TIMEOUT', value: String(PATIENT_SHUTDOWN_MS) },
      { name: 'SESSION_HTTP_ADDRESS', value: `127.0.0.1:${await freePort()}` },
    ]);
  }

  private constructor(scope: Scope, settings: readonly Variable[]) {
    this.#scope = scope;
    this.#settings = settings;
    this.share = sharedFolder(scope);
    const key = join(temporaryDirectory(scope), 'key');
    mkdirSync(key);
    writeFileSync(join(key, 'key'), randomBytes(32).toString('hex'), { mode: 0o400 });
    this.#folders = { share: this.share, key, cache: '', tmp: temporaryDirectory(scope) };
    this.loseCache();
  }

  /** Another node, or a volume that is new. */
  loseCache(): void {
    this.#folders.cache = temporaryDirectory(this.#scope);
  }

  /** Resolves when it runs; `command` replaces its own, test/ of the project is /app/test in it. */
  async start(container: Container, command?: readonly string[]): Promise<void> {
    const pod = `sessionfs-test-${process.pid}-pod-${++played}`;
    this.#names.set(container, `${pod}-${container.name}`);
    cleanUp(this.#scope, async () => {
      await podman('pod', 'rm', '--force', '--ignore', '--time', '0', pod);
    });
    const file = join(temporaryDirectory(this.#scope), 'pod.yaml');
    writeFileSync(file, JSON.stringify(this.#manifest(pod, container, command)));
    await podman('play', 'kube', '--log-driver', 'k8s-file', file);
  }

  /** As kubelet: resolves when the probe succeeds. */
  async untilStarted(container: Container): Promise<void> {
    const { command = [] } = container.startupProbe?.exec ?? {};
    await untilMounted(this.name(container));
    const ask = async () => (await run('podman', ['exec', this.name(container), ...command])).status === 0;
    await until(`${command.join(' ')} succeeds`, ask, () => this.log(container));
  }

  async exec(container: Container, command: readonly string[]): Promise<string> {
    return podman('exec', this.name(container), ...command);
  }

  /** SIGTERM; returns the exit status. The manifest's terms, which manifests.test.ts compares, are for a machine of its own. */
  async stop(container: Container): Promise<number> {
    await stopContainer(this.name(container));
    return exitStatusOf(this.name(container));
  }

  async output(container: Container): Promise<string> {
    await exitStatusOf(this.name(container));
    return (await run('podman', ['logs', this.name(container)])).stdout;
  }

  log(container: Container): Promise<string> {
    return logOf(this.name(container));
  }

  name(container: Container): string {
    return this.#names.get(container) ?? container.name;
  }

  #manifest(pod: string, container: Container, command: readonly string[] | undefined): object {
    const { startupProbe, livenessProbe, readinessProbe, lifecycle, restartPolicy, ports, ...kept } =
      container;
    const names = new Set(this.#settings.map(({ name }) => name));
    const isSessionfs = container.env.some(({ name }) => name === 'STORAGE_BUCKET');
    const volumes = container.volumeMounts.map(({ name }) => ({
      name,
      hostPath: { path: this.#folders[name], type: 'Directory' },
    }));
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod },
      spec: {
        restartPolicy: 'Never',
        hostNetwork: true,
        volumes: [
          ...volumes,
          { name: 'test', hostPath: { path: join(process.cwd(), 'test'), type: 'Directory' } },
        ],
        containers: [
          {
            ...kept,
            image: playedImages[container.image],
            env: isSessionfs
              ? [...container.env.filter(({ name }) => !names.has(name)), ...this.#settings]
              : container.env,
            ...(command === undefined ? {} : { [kept.args === undefined ? 'command' : 'args']: command }),
            volumeMounts: [...kept.volumeMounts, { name: 'test', mountPath: '/app/test', readOnly: true }],
          },
        ],
      },
    };
  }
}
