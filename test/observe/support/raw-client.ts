/** Sockets that say what no HTTP client would. */
import { connect, type Socket } from 'node:net';
import { cleanUp, type Scope } from '../../support/cleanup.ts';

const HANG_GUARD_MS = 30_000;

export class RawClient {
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #received = '';

  /** Resolves when connected; the socket is gone after the test. */
  static async connect(scope: Scope, port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host });
    cleanUp(scope, () => {
      socket.destroy();
    });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return client;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#received += text;
    });
    // A reset is one of the ways in which a server gets rid of a client.
    socket.on('error', () => {});
    this.#ended = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** Resolves when the system took it, false when the connection is gone. */
  send(text: string): Promise<boolean> {
    if (this.#socket.destroyed || !this.#socket.writable) return Promise.resolve(false);
    return new Promise((resolve) => this.#socket.write(text, 'latin1', (error) => resolve(!error)));
  }

  /** Takes nothing from now on. */
  pause(): void {
    this.#socket.pause();
  }

  /** Everything that was received until the server closed the connection; rejects when it never does. */
  async untilClosed(): Promise<string> {
    let guard: NodeJS.Timeout | undefined;
    const hung = new Promise<never>((_, reject) => {
      guard = setTimeout(() => reject(new Error('the connection was left open')), HANG_GUARD_MS);
    });
    try {
      await Promise.race([this.#ended, hung]);
    } finally {
      clearTimeout(guard);
    }
    return this.#received;
  }
}
