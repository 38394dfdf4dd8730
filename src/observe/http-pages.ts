/** Which page says what. Knows requests and answers, not connections. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { inTime } from '../lib/in-time.ts';
import type { Logger } from './log.ts';
import { OPEN_METRICS_TYPE, toOpenMetrics, wantsOpenMetrics } from './open-metrics.ts';

/** `reason`: why not. `warning`: what is wrong although applications are served. */
export type Readiness = { readonly ready: boolean; readonly reason?: string; readonly warning?: string };

export interface HttpPages {
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** false: only a restart helps. */
  health(): boolean;
  /** Whether applications are served. What it says is public. */
  ready(): Readiness | Promise<Readiness>;
  readonly statusPage?: StatusPages;
}

/** What StatusPage is for the server. */
interface StatusPages {
  serves(path: string): boolean;
  /** Never rejects. `address`: the one that is served. */
  respond(request: IncomingMessage, response: ServerResponse, address: string): Promise<void>;
  /** Ends answers that have no end. */
  close(): void;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
/** Kubernetes gives a probe one second unless told otherwise, and then says nothing of the reason. */
const READY_TIMEOUT_MS = 900;

type Page = (pages: HttpPages, headers: IncomingHttpHeaders) => Answer | Promise<Answer>;

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/healthz', healthPage],
  ['/readyz', readinessPage],
  ['/metrics', metricsPage],
]);

/** Never rejects: what fails is logged, and answered with 500. */
export async function answerTo(
  { method, url, headers }: IncomingMessage,
  pages: HttpPages,
  log: Logger,
): Promise<Answer> {
  const path = pathOf(url);
  const page = PAGES.get(path);
  if (page === undefined) return text(404, 'not found: there are /, /healthz, /readyz and /metrics\n');
  if (method !== 'GET' && method !== 'HEAD') {
    return { ...text(405, 'only GET and HEAD are allowed\n'), headers: { Allow: 'GET, HEAD' } };
  }
  try {
    return await page(pages, headers);
  } catch (error) {
    log.error({ err: error, path }, 'A page could not be made');
    return text(500, 'this page could not be made; the log says why\n');
  }
}

export function pathOf(url: string | undefined): string {
  return (url ?? '').split('?', 1)[0] ?? '';
}

function healthPage(pages: HttpPages): Answer {
  return pages.health() ? json(200, { status: 'ok' }) : json(503, { status: 'failed' });
}

async function readinessPage(pages: HttpPages): Promise<Answer> {
  const { ready, reason, warning }: Readiness = await inTime(
    Promise.resolve(pages.ready()),
    READY_TIMEOUT_MS,
    {
      ready: false,
      reason: 'the mount does not answer',
    },
  );
  if (ready) return json(200, { status: 'ready', ...(warning === undefined ? {} : { warning }) });
  return json(503, { status: 'not ready', reason: reason ?? 'no reason is known' });
}

async function metricsPage({ metrics }: HttpPages, { accept }: IncomingHttpHeaders): Promise<Answer> {
  const body = await metrics.render();
  if (wantsOpenMetrics(accept)) return { status: 200, type: OPEN_METRICS_TYPE, body: toOpenMetrics(body) };
  return { status: 200, type: metrics.contentType, body };
}

function json(status: number, value: Readonly<Record<string, string>>): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function text(status: number, body: string): Answer {
  return { status, type: TEXT_TYPE, body };
}
