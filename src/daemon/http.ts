/** What a mount answers to probes and scrapers. */
import { type HttpServer, serveHttp } from '../observe/http.ts';
import type { HttpPages } from '../observe/http-pages.ts';
import type { Logger } from '../observe/log.ts';
import type { DaemonStart } from '../supervisor/messages.ts';

/**
 * Undefined where no address is configured. Rejects with HTTP_ADDRESS_UNAVAILABLE, but not when a mount is taken over: that
 * must not end for want of an address.
 */
export async function serveObservations(
  { config, takeover }: DaemonStart,
  pages: HttpPages,
  log: Logger,
): Promise<HttpServer | undefined> {
  if (config.httpAddress === undefined) return undefined;
  try {
    return await serveHttp(config.httpAddress, pages, log);
  } catch (error) {
    if (takeover === undefined) throw error;
    log.error({ error: (error as Error).message }, 'Health and metrics are not served any more');
    return undefined;
  }
}
