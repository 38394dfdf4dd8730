/** What a mount answers to probes and scrapers. */
import type { Config } from './config.ts';
import { type HttpServer, serveHttp } from './observe/http.ts';
import type { Logger } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';

/** Undefined where no address is configured. Rejects with HTTP_ADDRESS_UNAVAILABLE. */
export async function serveObservations(
  config: Config,
  metrics: Metrics,
  notReady: () => string | undefined,
  log: Logger,
): Promise<HttpServer | undefined> {
  if (config.httpAddress === undefined) return undefined;
  const ready = () => {
    const reason = notReady();
    return reason === undefined ? { ready: true } : { ready: false, reason };
  };
  return serveHttp(config.httpAddress, { metrics, health: () => true, ready }, log);
}
