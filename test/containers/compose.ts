/** docker-compose.yml, run by podman-compose with what compose.override.yml changes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import type { WorkloadResult } from '../support/run-workload.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { exitStatusOf, logOf, podman, pythonTools, run, untilHealthy, untilProbed } from './podman.ts';
import { sharedFolder } from './share.ts';

export type Service = 'gcs' | 'sessionfs' | 'bot' | 'bot-alone';

let projects = 0;

/** A project of its own, gone after the test with its containers and volumes. */
export class Compose {
  /** On the host; /share in the containers. */
  readonly share: string;
  readonly #project = `sessionfs-test-${process.pid}-${++projects}`;
  readonly #keyFile: string;
  readonly #ports: { TEST_PORT: string; TEST_HTTP_PORT: string };

  static async create(scope: Scope): Promise<Compose> {
    return new Compose(scope, await freePort(), await freePort());
  }

  private constructor(scope: Scope, port: number, httpPort: number) {
    this.share = sharedFolder(scope);
    this.#keyFile = join(temporaryDirectory(scope), 'key');
    writeFileSync(this.#keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    this.#ports = { TEST_PORT: String(port), TEST_HTTP_PORT: String(httpPort) };
    cleanUp(scope, async () => {
      const names = ['bot-alone', 'bot', 'sessionfs', 'gcs'] as const;
      await podman('rm', '--force', '--ignore', '--time', '0', ...names.map((name) => this.container(name)));
      await podman('volume', 'rm', '--force', this.volume('cache'), this.volume('cache-alone'));
    });
  }

  container(service: Service): string {
    return `${this.#project}_${service}_1`;
  }

  volume(name: 'cache' | 'cache-alone'): string {
    return `${this.#project}_${name}`;
  }

  /** Starts these services one after another, each when the one before it is healthy: podman 4 does not wait by itself. */
  async up(...services: readonly Service[]): Promise<void> {
    for (const service of services) {
      await this.start(service);
      if (service === 'gcs') await untilProbed(this.container(service));
      else await untilHealthy(this.container(service));
    }
  }

  /** `command` replaces the application's; in the container, test/ is the project's folder of that name. */
  async start(service: Service, command = 'node bot.js'): Promise<void> {
    await this.#compose(['--profile', 'run', 'up', '--no-build', '--no-deps', '--detach', service], command);
  }

  /** As Ctrl-C or `docker compose stop`: each service before those that it depends on. */
  async stop(): Promise<void> {
    await this.#compose(['--profile', 'run', 'stop']);
  }

  async remove(service: Service): Promise<void> {
    await podman('rm', '--force', '--time', '0', this.container(service));
  }

  /** The workload of test/baileys as the application; resolves when it has ended, rejects when it found something wrong. */
  async workload(service: 'bot' | 'bot-alone', folder: string, options: string): Promise<WorkloadResult> {
    await this.start(service, `node test/baileys/workload.mjs ${folder} ${options}`);
    const status = await exitStatusOf(this.container(service));
    const { stdout, stderr } = await run('podman', ['logs', this.container(service)]);
    await this.remove(service);
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    // The daemon of `sessionfs run` writes to stderr: stdout is the application's.
    return JSON.parse(stdout) as WorkloadResult;
  }

  log(service: Service): Promise<string> {
    return logOf(this.container(service));
  }

  async #compose(args: readonly string[], command = 'true'): Promise<void> {
    const env = {
      ...this.#ports,
      TEST_COMMAND: command,
      SESSIONFS_SHARE: this.share,
      SESSIONFS_KEY_FILE: this.#keyFile,
      PATH: `${pythonTools}:${process.env.PATH}`,
    };
    const files = ['-f', 'docker-compose.yml', '-f', 'test/containers/compose.override.yml'];
    const { status, stdout, stderr } = await run(
      join(pythonTools, 'podman-compose'),
      ['--no-ansi', '--project-name', this.#project, ...files, ...args],
      { env },
    );
    assert.equal(status, 0, `podman-compose ${args.join(' ')}:\n${stderr}\n${stdout}`);
  }
}
