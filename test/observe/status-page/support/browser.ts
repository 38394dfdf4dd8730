/** A headless Chromium of this machine, which says what it has to complain about. */
import { existsSync } from 'node:fs';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { cleanUp, type Scope } from '../../../support/cleanup.ts';

const EXECUTABLE = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
/** Nothing but the page is asked for: a browser's own requests would only fail here. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  `--disable-features=${[
    // A process each, for each window, of seconds of work: the address bar's suggestions, which are pages too.
    ...['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'WebUIOmniboxFullPopup'],
    // Those that Playwright turns off on Linux, which this list takes the place of.
    ...['AvoidUnnecessaryBeforeUnloadCheckSync', 'DestroyProfileOnBrowserClose', 'HttpsUpgrades'],
    ...['HttpsFirstBalancedModeAutoEnable', 'LensOverlay', 'MediaRouter', 'PaintHolding', 'AimEnabled'],
    ...['ThirdPartyStoragePartitioning', 'AvoidCorsURLLoaderRestartOnRedirect', 'OptimizationHints'],
    ...['NetworkTimeServiceQuerying', 'PreconnectToSearch'],
  ].join()}`,
];

export async function startBrowser(scope: Scope): Promise<Browser> {
  if (EXECUTABLE === undefined)
    throw new Error(
      'the browser Chromium is missing: run scripts/test, which installs it, or apt-get install chromium',
    );
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS, timeout: 120_000 });
  cleanUp(scope, () => browser.close());
  return browser;
}

export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Of the console: errors, and what the page's policy refused. */
  readonly complaints: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  /** Runs before the page's own. */
  script = '',
): Promise<OpenedPage> {
  const context = await browser.newContext(options);
  if (script !== '') await context.addInitScript({ content: script });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, context, complaints };
}
