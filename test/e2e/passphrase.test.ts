/** A VM whose checkpoints are encrypted, from the window: the passphrase is chosen, asked for, refused and never shown. The guest is a tiny one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import type { VmDetail } from '#main/ipc/contract.ts';
import { CairnHome } from '#test/support/cairn.ts';
import { echoGuest } from '#test/support/echo-guest.ts';
import { launchChromium } from './support/chromium.ts';

const results = path.resolve(import.meta.dirname, '../../test-results');
/** A hang, on any machine. */
const LIMIT_MS = 120_000;
const SECRET = 'open sesame';

let home: CairnHome;
let browser: Browser;
let page: Page;
let failures: string[];

beforeAll(async () => {
  mkdirSync(results, { recursive: true });
  home = new CairnHome();
  const [address] = await home.start('serve').waitFor(/http:\/\/\S+/);
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1360, height: 820 }, colorScheme: 'dark' });
  page.setDefaultTimeout(LIMIT_MS);
  failures = [];
  page.on('pageerror', error => failures.push(error.message));
  page.on('console', message => failures.push(message.text()));
  await page.goto(address);
});

afterAll(async () => {
  await browser?.close();
  await home?.dispose();
});

const picture = (name: string) => page.screenshot({ path: path.join(results, `passphrase-${name}.png`) });
const start = () => page.getByRole('toolbar', { name: 'Machine' }).getByRole('button', { name: 'Start' }).click();
const passphrase = () => page.getByRole('textbox', { name: 'Passphrase' });
const dialog = () => page.getByRole('dialog');
const gone = () => dialog().waitFor({ state: 'detached' });
const isOn = () => page.getByRole('main').getByText('Running').waitFor();

async function pullPlug(): Promise<void> {
  await page.getByRole('button', { name: 'Pull the plug' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Pull the plug' }).click();
  await page.getByRole('main').getByText('Vault is off').waitFor();
}

test('encryption is a setting, and the first start chooses the passphrase', async () => {
  const guest = path.join(home.folder, 'echo-guest');
  writeFileSync(guest, echoGuest());
  await page.getByRole('button', { name: 'New virtual machine…' }).click();
  await page.getByLabel('Name').fill('Vault');
  await page.getByRole('textbox', { name: 'Memory (MiB)' }).fill('16');
  await page.getByRole('textbox', { name: 'Kernel', exact: true }).fill(guest);
  await page.getByRole('checkbox', { name: /^Encrypt what checkpoints hold of memory/ }).press('Space');
  await page.getByText('Encrypt what checkpoints hold of memory').scrollIntoViewIfNeeded();
  await picture('1-setting');
  await page.getByRole('button', { name: 'Create' }).click();
  await gone();
  expect(home.json<VmDetail>('vm', 'show', 'Vault').config.encrypted).toBe(true);

  await start();
  await page.getByRole('dialog', { name: 'Choose a passphrase for Vault' }).waitFor();
  await picture('2-choose');
  await page.keyboard.press('Escape');
  await gone();
  await page.getByRole('main').getByText('Vault is off').waitFor();

  await start();
  await passphrase().waitFor();
  await page.keyboard.type(SECRET); // it has the focus
  await page.getByRole('textbox', { name: 'The same once more' }).fill('open barley');
  await page.keyboard.press('Enter');
  expect(await dialog().getByRole('alert').textContent()).toContain('not the same');
  await page.keyboard.type(SECRET); // what was refused is selected
  await page.keyboard.press('Enter');
  await gone();
  await isOn();
});

test('the next start asks again until it is right; the field shows it only on demand', async () => {
  await page.getByRole('button', { name: 'Take checkpoint', exact: true }).click();
  await dialog().getByRole('button', { name: 'Take checkpoint' }).click();
  await page.getByRole('row', { name: /Checkpoint 1/ }).waitFor();
  await pullPlug();
  await page.emulateMedia({ colorScheme: 'light' });

  await start();
  await page.getByRole('dialog', { name: 'Passphrase of Vault' }).waitFor();
  expect(await page.getByRole('textbox').count()).toBe(1);
  await page.keyboard.type('open barley');
  expect(await passphrase().getAttribute('type')).toBe('password');
  const toggle = page.getByRole('button', { name: 'Show the passphrase' });
  await toggle.press('Space');
  expect(await passphrase().getAttribute('type')).toBe('text');
  await toggle.press('Space');
  expect(await passphrase().getAttribute('type')).toBe('password');
  await dialog().getByRole('button', { name: 'Start' }).click();
  expect(await dialog().getByRole('alert').textContent()).toContain('not the passphrase');
  await picture('3-wrong');
  await page.keyboard.type(SECRET);
  expect(await dialog().getByRole('alert').count()).toBe(0);
  await page.keyboard.press('Enter');
  await gone();
  await isOn();
  await pullPlug();
  expect(await page.content()).not.toContain(SECRET);
  expect(failures).toEqual([]);
});
