/** A status page on a free port, closed after the test. */
import type { HttpAddress } from '../../../../src/config/parsers.ts';
import { createLogger } from '../../../../src/observe/log.ts';
import type { StatusReport } from '../../../../src/observe/status-page/report.ts';
import { StatusPage } from '../../../../src/observe/status-page/status-page.ts';
import type { Scope } from '../../../support/cleanup.ts';
import { type Served, served as serveAll } from '../../support/served.ts';
import { reportOf } from './reports.ts';

interface Choice {
  report?: () => StatusReport;
  token?: string;
  address?: HttpAddress;
  intervalMs?: number;
}

export async function served(
  scope: Scope,
  { report = () => reportOf(), token, address, intervalMs }: Choice = {},
): Promise<Served & { statusPage: StatusPage }> {
  const logged: string[] = [];
  const statusPage = new StatusPage({
    report: async () => report(),
    token,
    wallMs: Date.now,
    log: createLogger({ level: 'info', destination: { write: (line) => logged.push(line) } }),
    ...(intervalMs === undefined ? {} : { intervalMs }),
  });
  return { ...(await serveAll(scope, { statusPage }, address)), logged, statusPage };
}
