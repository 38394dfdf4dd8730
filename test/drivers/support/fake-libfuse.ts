import type {
  LibfuseBinding,
  LibfuseHandler,
  LibfuseThread,
  OperationName,
} from '../../../src/drivers/libfuse/binding.ts';
import { operationNames } from '../../../src/drivers/libfuse/binding.ts';

export interface Answer {
  result: number;
  more: unknown[];
}

/** Asks as libfuse's threads do, and keeps what they are answered. */
export class FakeLibfuse {
  readonly binding: LibfuseBinding;
  readonly #handlers: (LibfuseHandler | undefined)[] = [];
  readonly #answers = new Map<LibfuseThread, Answer[]>();

  constructor() {
    const members: Record<string, unknown> = {
      sizeof_fuse_thread_t: 64,
      fuse_native_mount: (...args: unknown[]) => {
        this.#handlers.push(...(args[5] as (LibfuseHandler | undefined)[]));
      },
    };
    for (const [index, name] of operationNames.entries()) {
      members[`op_${name}`] = index;
      members[`fuse_native_signal_${name}`] = (thread: LibfuseThread, result: number, ...more: unknown[]) =>
        this.#answersOf(thread).push({ result, more });
    }
    this.binding = members as unknown as LibfuseBinding;
  }

  /** A thread of libfuse's, with room for its C structure. */
  thread(): LibfuseThread {
    return Buffer.alloc(256);
  }

  ask(thread: LibfuseThread, name: OperationName, ...args: unknown[]): void {
    this.#handlers[this.binding[`op_${name}`]]?.(thread, this.binding[`op_${name}`], ...args);
  }

  /** What the thread was answered since the last look. */
  answers(thread: LibfuseThread): Answer[] {
    return this.#answersOf(thread).splice(0);
  }

  /** Of a call that is answered at once. */
  call(thread: LibfuseThread, name: OperationName, ...args: unknown[]): Answer {
    this.ask(thread, name, ...args);
    const [answer, ...others] = this.answers(thread);
    if (answer === undefined || others.length > 0) throw new Error(`${name} was not answered once`);
    return answer;
  }

  #answersOf(thread: LibfuseThread): Answer[] {
    const answers = this.#answers.get(thread) ?? [];
    this.#answers.set(thread, answers);
    return answers;
  }
}
