/** A disk whose image lies on a file elsewhere, from the window: it is refused with a sentence, and starts once that file is allowed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import type { VmDetail } from '#main/ipc/contract.ts';
import { CairnHome } from '#test/support/cairn.ts';
import { echoGuest } from '#test/support/echo-guest.ts';
import { qemuImg } from '#test/support/qemu-img.ts';
import { launchChromium } from './support/chromium.ts';

const results = path.resolve(import.meta.dirname, '../../test-results');
/** A hang, on any machine. */
const LIMIT_MS = 120_000;

let home: CairnHome;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  mkdirSync(results, { recursive: true });
  home = new CairnHome();
  for (const name of ['bases', 'images']) mkdirSync(path.join(home.folder, name));
  writeFileSync(at('guest'), echoGuest());
  writeFileSync(at('bases/base.raw'), new Uint8Array(1 << 20).fill(7));
  qemuImg('create', '-q', '-f', 'qcow2', '-b', at('bases/base.raw'), '-F', 'raw', at('images/top.qcow2'));
  const [address] = await home.start('serve').waitFor(/http:\/\/\S+/);
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1360, height: 820 }, colorScheme: 'dark' });
  page.setDefaultTimeout(LIMIT_MS);
  await page.goto(address);
});

afterAll(async () => {
  await browser?.close();
  await home?.dispose();
});

const at = (name: string) => path.join(home.folder, name);
const picture = (name: string) => page.screenshot({ path: path.join(results, `backing-${name}.png`) });
const start = () => page.getByRole('toolbar', { name: 'Machine' }).getByRole('button', { name: 'Start' }).click();
const gone = () => page.getByRole('dialog').waitFor({ state: 'detached' });

test('a backing file elsewhere is refused, and read once the user allows it', async () => {
  await page.getByRole('button', { name: 'New virtual machine…' }).click();
  await page.getByLabel('Name').fill('Over');
  await page.getByRole('textbox', { name: 'Memory (MiB)' }).fill('16');
  await page.getByRole('textbox', { name: 'Kernel', exact: true }).fill(at('guest'));
  await page.getByRole('button', { name: 'Add disk' }).click();
  const disk = page.getByRole('group', { name: 'Disk 1' });
  expect(await disk.getByRole('textbox', { name: 'Also allow' }).count()).toBe(0); // it has no image yet
  await disk.getByRole('textbox', { name: 'Image' }).fill(at('images/top.qcow2'));
  await disk.getByRole('textbox', { name: 'Also allow' }).scrollIntoViewIfNeeded();
  await picture('1-disk');
  await page.getByRole('button', { name: 'Create' }).click();
  await gone();
  await start();
  await page.getByText('which is outside the image’s own folder').first().waitFor();
  await picture('2-refused');

  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByRole('textbox', { name: 'Also allow' }).fill(at('bases'));
  await page.getByRole('button', { name: 'Save' }).click();
  await gone();
  const { config } = home.json<VmDetail>('vm', 'show', 'Over');
  expect(config.disks).toMatchObject([{ path: at('images/top.qcow2'), allow: [at('bases')] }]);
  expect(config.disks[0]).not.toHaveProperty('format');
  await start();
  await page.getByRole('main').getByText('Running').waitFor();
});
