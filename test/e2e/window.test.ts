/**
 * The whole journey in a real Chromium: make a VM of the demo guest, start it, type, take a checkpoint, type something else, revert,
 * and see the old screen. Waits for what a user would wait for, never for time. Pictures of each step go to test-results/.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { CairnHome } from '#test/support/cairn.ts';
import { demo } from '#test/support/guests.ts';
import { launchChromium } from './support/chromium.ts';

const results = path.resolve(import.meta.dirname, '../../test-results');
/** A hang, on any machine. */
const LIMIT_MS = 300_000;
const PROMPT = /^(~|\/root) #/;

let home: CairnHome;
let browser: Browser;
let page: Page;
let failures: string[];

beforeAll(async () => {
  mkdirSync(results, { recursive: true });
  home = new CairnHome();
  const served = home.start('serve');
  const [address] = await served.waitFor(/http:\/\/\S+/);
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1360, height: 820 }, colorScheme: 'dark' });
  page.setDefaultTimeout(LIMIT_MS);
  failures = [];
  page.on('pageerror', error => failures.push(error.message));
  page.on('console', message => {
    if (message.type() === 'error') failures.push(message.text());
  });
  await page.goto(address);
});

afterAll(async () => {
  await browser?.close();
  await home?.dispose();
});

const picture = (name: string) => page.screenshot({ path: path.join(results, `${name}.png`) });
const screen = () => page.locator('#screen-text');
/** Until the guest's screen holds a line and, somewhere below it, the shell's prompt (the kernel may have said something after that). */
async function screenShows(line: RegExp): Promise<void> {
  await page.waitForFunction(
    pattern => new RegExp(pattern, 'm').test(document.querySelector('#screen-text')?.textContent ?? ''),
    `${line.source}[^]*${PROMPT.source}`,
  );
}
/** The next notice, good or bad; it is dismissed. */
async function notice(): Promise<string | null> {
  const card = page.locator('.notice').first();
  await card.waitFor();
  const text = await card.locator('p').textContent();
  await card.getByRole('button').click();
  return text;
}
/** Keys go by their place on the keyboard: only what needs no Shift. */
async function typeLine(line: string): Promise<void> {
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}

test('start, type, checkpoint, type on, revert: the old screen is back', async () => {
  await page.getByText('A computer with an undo button').waitFor();
  await picture('1-empty');

  await page.getByRole('button', { name: 'New virtual machine…' }).click();
  await page.getByLabel('Name').fill('Demo');
  await page.getByRole('textbox', { name: 'Kernel', exact: true }).fill(demo.kernel());
  await page.getByRole('textbox', { name: 'Initial RAM disk' }).fill(demo.initrd());
  await page.getByLabel('Kernel command line').fill('console=ttyS0 console=tty0');
  await picture('2-new');
  await page.getByRole('button', { name: 'Create' }).click();

  await page.getByRole('toolbar', { name: 'Machine' }).getByRole('button', { name: 'Start' }).click();
  await screenShows(/Cairn demo/);
  await page.getByRole('application', { name: /Screen of Demo/ }).click();
  await typeLine('seq 4711 4713');
  await screenShows(/^4713$/);
  await picture('3-before');

  await page.getByRole('button', { name: 'Take checkpoint', exact: true }).click();
  await page.getByLabel('Title').fill('Before the mess');
  await page.getByRole('dialog').getByRole('button', { name: 'Take checkpoint' }).click();
  expect(await notice()).toMatch(/^“Before the mess” is kept. Demo stood still for [\d.]+ ms\.$/);
  await page.getByRole('row', { name: /Before the mess/ }).waitFor();
  await picture('4-checkpoint');

  await page.getByRole('application', { name: /Screen of Demo/ }).click();
  await typeLine('clear');
  await typeLine('seq 8001 8003');
  await screenShows(/^8003$/);
  expect(await screen().textContent()).not.toContain('4713');
  await picture('5-after');

  await page.getByRole('row', { name: /Before the mess/ }).click();
  await page.getByRole('button', { name: 'Revert to this' }).click();
  const dialog = page.getByRole('alertdialog');
  expect(await dialog.textContent()).toMatch(/Everything it has done since “Before the mess”.*is lost/);
  await dialog.getByRole('button', { name: 'Revert' }).click();
  expect(await notice()).toBe('Demo is back at “Before the mess”.');
  await screenShows(/^4713$/);
  expect(await screen().textContent()).not.toContain('8003');
  await picture('6-reverted');

  // It is a machine that runs, not a picture of one.
  await page.getByRole('application', { name: /Screen of Demo/ }).click();
  await typeLine('seq 5001 5003');
  await screenShows(/^5003$/);
});

test('the serial console is a terminal of the same machine', async () => {
  await page.getByRole('tab', { name: 'Serial' }).click();
  const terminal = page.getByRole('textbox', { name: 'Serial console of Demo' });
  await terminal.focus();
  await typeLine('uname -m');
  await page.locator('.serial-terminal').getByText('i686').first().waitFor();
  expect(await page.locator('.serial-terminal').textContent()).toContain('uname -m');
  await picture('7-serial');
});

test('the window stayed without an error, and looks right in light too', async () => {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.getByRole('tab', { name: 'Screen' }).click();
  await picture('8-light');
  await page.getByRole('button', { name: 'Pull the plug' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Pull the plug' }).click();
  await page.getByRole('main').getByText('Demo is off').waitFor();
  expect(failures).toEqual([]);
});
