/** The page in a real browser: Chromium of Debian, headless. SESSIONFS_TEST_SCREENSHOTS=FOLDER keeps its pictures there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { Account } from '../../hybrid/support.ts';
import { freePort } from '../../support/free-port.ts';
import { createTestBucket, gcsEmulator } from '../../support/gcs-emulator.ts';
import { repository } from '../../support/repository.ts';
import { type OpenedPage, openPage, startBrowser } from './support/browser.ts';
import { demo } from './support/demo.ts';
import { reportOf, sessionOf } from './support/reports.ts';
import { served } from './support/served.ts';

const options = { timeout: 300_000 };
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDE = { width: 1200, height: 800 };
const PHONE = { width: 390, height: 844 };
const looks: { name: string; options: BrowserContextOptions }[] = [
  { name: 'light', options: { viewport: WIDE, colorScheme: 'light' } },
  { name: 'dark', options: { viewport: WIDE, colorScheme: 'dark' } },
  { name: 'phone', options: { viewport: PHONE, colorScheme: 'light', hasTouch: true } },
];

/** Each test opens its own contexts in it, which share nothing. */
const browser = await startBrowser({ after });

const text = (page: Page, selector: string) => page.locator(selector).first().textContent();

async function findings(page: Page): Promise<string[]> {
  // Not as a script of the page, which its policy refuses.
  await page.evaluate(axe);
  const { violations } = (await page.evaluate('axe.run()')) as {
    violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}

test('what an application writes shows on the page of its mount', options, async (t) => {
  const emulator = await gcsEmulator();
  const account = new Account(t, await createTestBucket(emulator));
  const machine = account.machine();
  const port = await freePort();
  const mounted = await machine.mount({
    SESSION_HTTP_ADDRESS: `127.0.0.1:${port}`,
    STORAGE_EMULATOR_HOST: emulator,
  });
  const { page, complaints } = await openPage(browser, `http://127.0.0.1:${port}/`);
  await page.getByText('There are no sessions yet.').waitFor();
  assert.match((await text(page, '#facts')) ?? '', /hybrid mode/);
  const session = 'user1-+4915155501234';
  await mkdir(machine.path(session));
  await writeFile(machine.path(session, 'creds.json'), '{}');
  const row = page.getByRole('row', { name: /user1-\+…1234/ });
  await row.getByText(/\d+ s ago/).waitFor();
  assert.deepEqual(
    await row
      .getByRole('cell')
      .allTextContents()
      .then((cells) => cells.slice(0, 3)),
    ['Local', '1', '0'],
  );
  assert.ok(!(await page.content()).includes('4915155501234'));
  // Incomplete, so held back: of the thread that serves the mount.
  await writeFile(machine.path(session, 'pre-key-1.json'), '{"cut":');
  await page.locator('#held').getByText('user1-+…1234/pre-key-1.json').waitFor();
  await page.getByLabel('Show phone numbers').check();
  await page.getByRole('row', { name: session }).waitFor();
  await writeFile(machine.path(session, 'pre-key-1.json'), '{"cut":1}');
  await page.getByText('None: every file that was written is complete.').waitFor();
  assert.deepEqual(complaints, []);
  await mounted.unmount();
  await page.getByText('Not connected').waitFor();
});

test(
  'the page is usable with a thousand sessions, in either scheme, on a phone and by keyboard',
  options,
  async (t) => {
    const shown = demo();
    const { url } = await served(t, { report: shown.report });
    for (const { name, options } of looks)
      await t.test(name, async (t) => {
        const opened = await openDemo(url, options, shown.history());
        const { page, complaints, context } = opened;
        assert.equal(await page.locator('#rows tr').count(), 25);
        assert.deepEqual(await findings(page), []);
        const [wanted, visible] = (await page.evaluate(
          '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
        )) as [number, number];
        assert.ok(wanted <= visible, `${wanted} px wide of ${visible}`);
        await keepPicture(page, name);
        if (name === 'light') await t.test('by keyboard', () => useKeyboard(opened));
        assert.deepEqual(complaints, []);
        await context.close();
      });
    await t.test('a scheme has its own colors', async () => {
      const backgrounds = new Set<unknown>();
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page, context } = await openPage(browser, url, { colorScheme });
        backgrounds.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
        await context.close();
      }
      assert.equal(backgrounds.size, 2);
    });
  },
);

/** As after ten minutes. */
async function openDemo(
  url: string,
  options: BrowserContextOptions,
  history: number[][],
): Promise<OpenedPage> {
  // The page keeps its history itself, in the tab.
  const kept = JSON.stringify(JSON.stringify(history));
  const script = `sessionStorage.setItem('sessionfs-history', ${kept})`;
  const opened = await openPage(browser, url, { ...options, reducedMotion: 'reduce' }, script);
  await opened.page.locator('#live[data-state="live"]').waitFor();
  await opened.page.locator('#rows tr').first().waitFor();
  return opened;
}

async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env.SESSIONFS_TEST_SCREENSHOTS;
  if (folder === undefined) return;
  // Numbers a second are known with the second report.
  await page.locator('.chart .value').filter({ hasText: '/s' }).filter({ hasNotText: '–' }).nth(1).waitFor();
  await page.screenshot({ path: join(folder, `status-page-${name}.png`) });
}

async function useKeyboard({ page }: OpenedPage): Promise<void> {
  const focused = () => page.evaluate('document.activeElement.id || document.activeElement.textContent');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the sessions');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'filter');
  const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
  assert.equal(outline, 'solid');
  await page.keyboard.type('USER7-');
  assert.deepEqual(await page.locator('#rows th > span:first-child').allTextContents(), ['user7-+…0107']);
  for (let each = 0; each < 6; each++) await page.keyboard.press('Backspace');
  // The sort that is chosen is said.
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('th[data-sort="name"]').getAttribute('aria-sort'), 'ascending');
  assert.match((await text(page, '#rows th')) ?? '', /^user7-/);
  await page.keyboard.press('Enter');
  assert.match((await text(page, '#rows th')) ?? '', /^user1096-/);
  await page.locator('#next').press('Enter');
  assert.equal(await text(page, '#page'), '26–50 of 1,000');
  assert.equal(await focused(), 'next');
}

test('what a name says is text, whatever it says', options, async (t) => {
  const name = '<img src=x onerror=alert(1)>';
  const trouble = {
    error: '<script>alert(2)</script>',
    hint: '"><b>',
    since: new Date().toISOString(),
    waits: 'calls',
  };
  const sessions = [sessionOf(name, { trouble })];
  const { url } = await served(t, { report: () => reportOf({ sessions }) });
  const { page, complaints } = await openPage(browser, url);
  page.on('dialog', () => complaints.push('a dialog'));
  assert.equal(await text(page, '#rows th > span'), name);
  assert.equal(await page.locator('#rows img, #rows script, #rows b').count(), 0);
  assert.deepEqual(complaints, []);
});

test('a browser signs in with the token, and out', options, async (t) => {
  const token = 'a-token-of-more-than-16';
  const { url } = await served(t, { token, address: { host: '0.0.0.0', port: 0 } });
  const { page, complaints, context } = await openPage(browser, url.replace('0.0.0.0', '127.0.0.1'));
  assert.deepEqual(await findings(page), []);
  await page.getByLabel('Token').fill('another-token-altogether');
  await page.keyboard.press('Enter');
  await page.getByText('That is not the token of this mount.').waitFor();
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('#rows tr').first().waitFor();
  assert.equal(await page.evaluate('document.cookie'), '');
  assert.deepEqual(
    (await context.cookies()).map(({ httpOnly, sameSite }) => [httpOnly, sameSite]),
    [[true, 'Strict']],
  );
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token').waitFor();
  // Of the forms, which are answered with 401.
  assert.deepEqual(
    complaints.filter((complaint) => !complaint.includes('401')),
    [],
  );
});

test('the pictures of the documentation are small', async () => {
  for (const { name } of looks) {
    const { length } = await readFile(join(repository, `docs/images/status-page-${name}.png`));
    assert.ok(length < 150_000, `${name}: ${length} bytes`);
  }
});
