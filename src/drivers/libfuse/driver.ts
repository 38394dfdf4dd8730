/** Serves one mount through libfuse 2: its threads ask, and the main thread, this one, answers. */
import type { FileSystemOperations } from '../../fs/contract.ts';
import type { Owner } from '../../fs/model/options.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { messageOf } from '../../lib/system-error.ts';
import { CONTAINER_HINT } from '../../mount/hints.ts';
import {
  type LibfuseBinding,
  type LibfuseHandler,
  type LibfuseThread,
  type OperationName,
  operationNames,
} from './binding.ts';
import { libfuseCall } from './calls.ts';
import { LibfuseOperations } from './operations.ts';
import { LibfuseRequests, type LibfuseRequestsHost } from './requests.ts';

export interface LibfuseDriverHost extends LibfuseRequestsHost {
  /** The kernel serves the mount through us from here on. */
  initialized(): void;
  /** An application opened a file that it will map shared and writable, which gives ENODEV here. Called once. */
  cannotMap(path: string): void;
}

/** As many numbers as the native side looks at. */
const OPERATIONS = 35;

export class LibfuseDriver {
  readonly requests: LibfuseRequests;
  readonly #binding: LibfuseBinding;
  readonly #host: LibfuseDriverHost;
  /** The native side writes into them as long as this process lives. */
  readonly #memory: Buffer[] = [];

  constructor(binding: LibfuseBinding, fs: FileSystemOperations, owner: Owner, host: LibfuseDriverHost) {
    this.#binding = binding;
    this.#host = host;
    this.requests = new LibfuseRequests(
      fs,
      new LibfuseOperations(fs, owner, (path) => host.cannotMap(path)),
      host,
    );
  }

  /** `options`: see libfuseMountOptions. Throws MOUNT_FAILED. Requests come once this has returned, the first is `initialized`. */
  mount(mountPoint: string, options: string): void {
    const binding = this.#binding;
    const handlers = new Array<LibfuseHandler | undefined>(OPERATIONS).fill(undefined);
    const implemented = new Uint32Array(OPERATIONS);
    for (const name of operationNames) {
      handlers[binding[`op_${name}`]] = this.#handler(name);
      implemented[binding[`op_${name}`]] = 1;
    }
    const allocate = (bytes: number) => this.#allocate(bytes);
    try {
      const thread = allocate(binding.sizeof_fuse_thread_t);
      binding.fuse_native_mount(mountPoint, options, thread, this, allocate, handlers, implemented);
    } catch (cause) {
      throw new SessionfsError('MOUNT_FAILED', `libfuse cannot mount on ${mountPoint}: ${messageOf(cause)}`, {
        cause,
        hint: `libfuse or fusermount said why on stderr, in the log above. ${CONTAINER_HINT}`,
      });
    }
  }

  #handler(name: OperationName): LibfuseHandler {
    return (thread: LibfuseThread, _op: number, ...args: unknown[]) => {
      this.requests.dispatch(thread, libfuseCall(this.#binding, name, thread, args));
      if (name === 'init') this.#host.initialized();
    };
  }

  #allocate(bytes: number): Buffer {
    const memory = Buffer.alloc(bytes);
    this.#memory.push(memory);
    return memory;
  }
}
