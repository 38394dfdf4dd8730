/**
 * The thread that answers the kernel. It blocks in read(2) on /dev/fuse and waits for nothing else: what it has to know
 * in between comes as a message; a lookup on the mount, made by another process (waker.ts), wakes it.
 */
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { CoreHost, failureMessage } from '../host/core-host.ts';
import type { FromCore, KernelThreadData, ToCore } from '../host/messages.ts';
import { Opcode } from './abi/opcodes.ts';
import { DirectDriver, type DirectDriverHost } from './driver.ts';
import { Mailbox } from './mailbox.ts';
import { operationIndex } from './operation-index.ts';
import { runAtOnce } from './priority.ts';
import { SyncQueue } from './sync-queue.ts';

class KernelThread {
  readonly #data: KernelThreadData;
  readonly #port: MessagePort;
  readonly #mailbox: Mailbox;
  readonly #syncs: SyncQueue;
  readonly host: CoreHost;
  #driver: DirectDriver | undefined;

  constructor(data: KernelThreadData, port: MessagePort) {
    this.#data = data;
    this.#port = port;
    this.#mailbox = new Mailbox(data.mailbox);
    this.#syncs = new SyncQueue(data.syncs);
    this.host = new CoreHost(data, (message, transfer) => this.#post(message, transfer), {
      retryParked: () => this.#driver?.retryParked(),
      answerStored: (request, error) => this.#driver?.answerStored(request, error),
    });
  }

  serve(): void {
    const { fuseFd: fd, inFlightFd, resend, fatalRequests: fatal, takeover: session, crashOn } = this.#data;
    if (crashOn !== undefined) this.#crashOn(crashOn);
    this.#driver = new DirectDriver(
      { fd, inFlightFd, session, options: { resend, fatal } },
      this.host.filesystem,
      this.#driverHost(),
    );
    this.#driver.serve();
    this.host.end();
  }

  /** Stands for a defect that no handler survives. */
  #crashOn(crashName: string): void {
    const { filesystem } = this.host;
    const lookup = filesystem.lookup.bind(filesystem);
    filesystem.lookup = (parent, name, out) => {
      if (name === crashName) {
        process.kill(process.pid, 'SIGABRT');
        // The signal may take effect in another thread: this one gives no answer meanwhile.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      }
      return lookup(parent, name, out);
    };
  }

  #driverHost(): DirectDriverHost {
    return {
      beforeRequest: () => (this.#mailbox.lower() ? this.#takeMessages() : 'continue'),
      afterRequest: () => this.host.afterRequest(),
      syncThenReply: (uniqueLo, uniqueHi, slot) => {
        if (this.#syncs.add(uniqueLo, uniqueHi, slot)) return;
        this.#post({ to: 'kernel', type: 'sync-then-reply', uniqueLo, uniqueHi, slot });
      },
      store: (request, unstored) => this.host.store(request, unstored),
      answered: (request, interrupted) => this.host.answered(request, interrupted),
      makeRoom: () => this.host.makeRoom(),
      measured: (opcode, error, ms) => this.host.counters.operation(operationIndex(opcode), error, ms),
      initialized: (session) => this.#post({ to: 'daemon', type: 'initialized', session }),
      refused: ({ code, message, hint }) => this.#post({ to: 'client', type: 'failed', code, message, hint }),
      gaveUp: (opcode, node, name) => this.host.gaveUp(operationName(opcode), node, name),
      unexpected: (error, opcode) => this.host.unexpected({ opcode }, error),
    };
  }

  #takeMessages(): 'continue' | 'stop' {
    let next: 'continue' | 'stop' = 'continue';
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: ToCore } | undefined;
      if (received === undefined) {
        // The last one may have carried parked requests out.
        this.host.filesystem.begin(0);
        return next;
      }
      if (this.host.obey(received.message) === 'stop') next = 'stop';
    }
  }

  #post(message: FromCore, transfer?: ArrayBuffer[]): void {
    this.#port.postMessage(message, transfer);
  }
}

/** `LOOKUP` for 1. */
function operationName(opcode: number): string {
  const found = Object.entries(Opcode).find(([, value]) => value === opcode);
  return found?.[0].replace('FUSE_', '') ?? `opcode ${opcode}`;
}

function main(data: KernelThreadData, port: MessagePort): void {
  try {
    const thread = new KernelThread(data, port);
    thread.host.load();
    port.on('message', (message: ToCore) => {
      if (message.type !== 'serve') {
        thread.host.obey(message);
        return;
      }
      // From here on messages are taken by receiveMessageOnPort only.
      thread.serve();
      port.close();
    });
  } catch (error) {
    port.postMessage(failureMessage(error));
    port.close();
  }
}

if (parentPort !== null) {
  runAtOnce();
  const port = parentPort;
  port.once('message', (data: KernelThreadData) => main(data, port));
}
