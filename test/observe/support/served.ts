/** A server of health and metrics on a free port, closed after the test. */
import type { HttpAddress } from '../../../src/config/parsers.ts';
import { type HttpServer, serveHttp } from '../../../src/observe/http.ts';
import type { HttpPages } from '../../../src/observe/http-pages.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { Metrics } from '../../../src/observe/metrics.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';

export interface Served extends HttpServer {
  readonly url: string;
  readonly logged: readonly string[];
}

export async function served(
  scope: Scope,
  changes: Partial<HttpPages> = {},
  address: HttpAddress = { host: '127.0.0.1', port: 0 },
): Promise<Served> {
  const logged: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (line) => logged.push(line) } });
  const pages = { metrics: new Metrics(), health: () => true, ready: () => ({ ready: true }), ...changes };
  const { port, close } = await serveHttp(address, pages, log);
  cleanUp(scope, close);
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return { port, close, url: `http://${host}:${port}`, logged };
}
