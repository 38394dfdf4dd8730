/** Machines that mount a bucket of an S3 server, through the fault proxy. */
import { Account, type Machine } from '../hybrid/support.ts';
import type { Scope } from '../support/cleanup.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { type Condition, startS3Proxy } from '../support/s3-proxy.ts';
import { createS3Bucket, S3_CREDENTIALS } from '../support/s3-server.ts';
import type { StoreProxy } from '../support/store-proxy.ts';
import { until } from '../support/until.ts';

export class S3Cloud {
  readonly proxy: StoreProxy;
  readonly name: string;
  readonly #account: Account;

  private constructor(proxy: StoreProxy, name: string, account: Account) {
    this.proxy = proxy;
    this.name = name;
    this.#account = account;
  }

  /** `ignored`: conditions that the server is to ignore. */
  static async start(scope: Scope, serverUrl: string, ignored: readonly Condition[] = []): Promise<S3Cloud> {
    const name = await createS3Bucket(serverUrl);
    const proxy = await startS3Proxy(scope, serverUrl, ignored);
    return new S3Cloud(proxy, name, new Account(scope, `s3://${name}`));
  }

  machine(): Machine {
    return this.#account.machine();
  }

  get key(): string {
    return this.#account.key;
  }

  /** What a program needs to reach the bucket. */
  get env(): Readonly<Record<string, string>> {
    return { AWS_ENDPOINT_URL: this.proxy.url, ...S3_CREDENTIALS };
  }

  /** On a new machine when none is given. */
  mount(env: Readonly<Record<string, string>> = {}, machine = this.machine()): Promise<Mounted> {
    return machine.mount({ ...this.env, ...env });
  }

  /** A dead machine's last uploads may be on their way: resolves when they have arrived. */
  async settled(): Promise<void> {
    await until(() => this.proxy.underWay === 0);
  }
}
