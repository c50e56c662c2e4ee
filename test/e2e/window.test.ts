/**
 * The whole journey in a real Chromium: make a VM of the demo guest, start it, type, take a checkpoint, type something else, revert,
 * and see the old screen. Waits for what a user would wait for, never for time. Pictures of each step go to test-results/.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { NO_POLICY, type Events, type EventName, type Policy, type VmDetail, type VmSummary } from '#main/ipc/contract.ts';
import { CairnHome } from '#test/support/cairn.ts';
import { demo } from '#test/support/guests.ts';
import { isoImage } from '#test/support/iso-image.ts';
import { launchChromium } from './support/chromium.ts';

const results = path.resolve(import.meta.dirname, '../../test-results');
/** A hang, on any machine. */
const LIMIT_MS = 300_000;
const PROMPT = /^(~|\/root) #/;

let home: CairnHome;
let browser: Browser;
let page: Page;
let failures: string[];
let image: string;

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
  await page.addInitScript(() => {
    globalThis.WebSocket = class extends WebSocket {
      constructor(...address: ConstructorParameters<typeof WebSocket>) {
        super(...address);
        let isMuted = false;
        this.addEventListener('message', event => {
          if (isMuted && event.isTrusted) event.stopImmediatePropagation();
        });
        const hostSays = (text: string) => {
          isMuted = true;
          this.dispatchEvent(new MessageEvent('message', { data: text }));
        };
        Object.assign(globalThis, { hostSays });
      }
    };
  });
  image = path.join(home.folder, 'scratch.raw');
  writeFileSync(image, new Uint8Array(1 << 20));
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
/** As if the host had said it, which itself is not heard any more until the page is loaded again. */
async function hostSays<E extends EventName>(event: E, payload: Events[E]): Promise<void> {
  await page.evaluate(
    text => (globalThis as unknown as { hostSays(text: string): void }).hostSays(text),
    JSON.stringify({ event, payload }),
  );
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
  await page.getByRole('button', { name: 'Add disk' }).click();
  const disk = page.getByRole('group', { name: 'Disk 1' });
  await disk.getByRole('textbox', { name: 'Image' }).fill(image);
  expect(await disk.getByLabel('Format').inputValue()).toBe('named');
  await picture('2-new');
  // Without being asked a second time nobody's image is written.
  await disk.getByText('Write to the image itself').click();
  await page.getByRole('button', { name: 'Create' }).click();
  expect(await page.getByRole('dialog').getByRole('alert').textContent()).toContain(image);
  await page.getByRole('button', { name: 'Back' }).click();
  await disk.getByText('Write to the image itself').click();
  await page.getByRole('button', { name: 'Create' }).click();

  await page.getByRole('toolbar', { name: 'Machine' }).getByRole('button', { name: 'Start' }).click();
  await screenShows(/Cairn demo/);
  await page.getByRole('application', { name: /Screen of Demo/ }).click();
  await typeLine('seq 4711 4713');
  await screenShows(/^4713$/);
  await picture('3-before');

  await page.getByRole('button', { name: 'Take checkpoint', exact: true }).click();
  await page.getByLabel('Title').fill('Before the mess');
  expect(await page.getByLabel('Its disks').inputValue()).toBe('chain');
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
  await page.getByRole('button', { name: /^disk0/ }).click();
  await page.getByRole('list', { name: 'Files of disk0, the newest first' }).getByText('scratch.raw').waitFor();
  await picture('5-chain');
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

test('settings: what is not edited stays, and what checkpoints hold cannot be', async () => {
  const { config } = home.json<VmDetail>('vm', 'show', 'Demo');
  expect(config.disks).toMatchObject([{ path: image, interface: 'virtio', writeBase: false }]);
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  expect(await page.getByRole('textbox', { name: 'Image' }).isDisabled()).toBe(true);
  await page.getByRole('radio', { name: /^Short chain/ }).press('Space');
  await page.getByRole('textbox', { name: 'Memory (MiB)' }).fill('256');
  await page.getByLabel('Cache').selectOption('writethrough');
  await picture('9-settings');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(home.json<VmDetail>('vm', 'show', 'Demo').config).toEqual({
    ...config,
    memoryMiB: 256,
    checkpointMode: 'copy',
    disks: [{ ...config.disks[0], cache: 'writethrough' }],
  });
});

test('what the host does beside the guest, and why it paused it, can be read', async () => {
  const work = { name: 'Demo', disk: 'disk0', doneBytes: 1 << 20, totalBytes: 4 << 20 };
  await hostSays('disk.progress', { ...work, step: 'commit-base' });
  const bar = page.getByRole('progressbar', { name: /disk0: merging changes into the base/ });
  await bar.waitFor();
  expect(await bar.getAttribute('aria-valuenow')).toBe('25');
  await hostSays('disk.progress', { ...work, step: null });
  await bar.waitFor({ state: 'detached' });
  const reason = `${image} cannot be written: the disk is full: make room and try again.`;
  await hostSays('vm.changed', { name: 'Demo', state: 'paused', reason, memoryMiB: 256, ownedElsewhere: false });
  const alert = page.getByRole('main').getByRole('alert');
  expect(await alert.textContent()).toContain(reason);
  expect(await alert.getByRole('button', { name: 'Resume' }).isEnabled()).toBe(true);
  await picture('10-paused-by-host');
});

test('how checkpoints are written is set in the settings, and the host has it', async () => {
  await page.reload(); // what the host was made to say is forgotten
  const { config } = home.json<VmDetail>('vm', 'show', 'Demo');
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByLabel('Written beside the guest').selectOption('gentle');
  await page.getByLabel('Compressed').selectOption('none');
  await page.getByText('Limit what copies of its memory take').click();
  await page.getByRole('textbox', { name: 'Copies take at most (MiB)' }).fill('24');
  await page.getByText('Memory balloon').click();
  await page.getByText('Share equal pages').click();
  await page.getByText(/^Its time/).click();
  await page.getByText(/^Its random numbers/).click();
  await page.getByText('Keep the last checkpoints in RAM').click();
  await page.getByRole('button', { name: 'Add disk' }).click();
  const drive = page.getByRole('group', { name: 'Disk 2' });
  await drive.getByLabel('Kind').selectOption('cdrom');
  await picture('11-writing');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const empty = { path: '', interface: 'ide', media: 'cdrom', readonly: true, cache: 'writeback', writeBase: false };
  const written = { checkpointPace: 'gentle', compression: 'none', copyLimitMiB: 24 };
  const set = { ...written, balloon: true, shareMemory: true, keepInRam: true, rtc: 'virtual', rng: false };
  expect(home.json<VmDetail>('vm', 'show', 'Demo').config).toEqual({ ...config, ...set, disks: [...config.disks, empty] });

  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByText('Limit what copies of its memory take').click();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(home.json<VmDetail>('vm', 'show', 'Demo').config).not.toHaveProperty('copyLimitMiB');
});

test('automatic checkpoints: what cannot be is said, and what is saved is the host’s', async () => {
  await page.getByRole('button', { name: 'Automatic: off' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('every', { exact: true }).click();
  await dialog.getByRole('textbox', { name: 'Every', exact: true }).fill('20');
  await dialog.getByLabel('Every: unit').selectOption('h');
  await dialog.getByText('before the guest resets the machine').click();
  await dialog.getByText('when its battery has no more than').click();
  await dialog.getByRole('textbox', { name: 'Battery low, per cent' }).fill('7');
  await dialog.getByRole('button', { name: 'Remove line 3' }).click();
  const second = dialog.getByRole('group', { name: 'Line 2' });
  await second.getByLabel('For: unit').selectOption('s');
  expect(await second.getByRole('alert').textContent()).toBe('It must reach further back than 1 hour, where the one above ends.');
  expect(await dialog.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
  await second.getByLabel('For: unit').selectOption('d');
  await second.getByRole('textbox', { name: 'For', exact: true }).fill('2');
  await dialog.getByText('Be careful with less than').click();
  await picture('12-automatic');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  expect(home.json<Policy>('policy', 'show', 'Demo')).toEqual({
    ...NO_POLICY,
    ...{ everySeconds: 72_000, reset: true, batteryLowPercent: 7, diskLowMiB: null },
    keep: [
      { everySeconds: 0, forSeconds: 3600 },
      { everySeconds: 3600, forSeconds: 2 * 86_400 },
    ],
  });
  await page.getByRole('button', { name: 'Automatic: every 20 hours, at 2 events' }).waitFor();
});

test('while it runs: less memory, another disc, none', async () => {
  const disc = path.join(home.folder, 'tools.iso');
  writeFileSync(disc, isoImage(new Map([['A.TXT', new Uint8Array(10)]])));
  const vm = () => home.json<VmSummary>('vm', 'show', 'Demo');
  const drives = page.getByRole('button', { name: 'CD-ROM drives' });
  await page.getByRole('toolbar', { name: 'Machine' }).getByRole('button', { name: 'Start' }).click();
  await screenShows(/Cairn demo/);

  await page.getByRole('button', { name: 'Memory', exact: true }).click();
  const slider = page.getByRole('slider');
  await slider.focus();
  await page.keyboard.press('Home');
  await page.getByText('16 MiB of 256 MiB').waitFor();
  await picture('13-memory');
  await expect.poll(() => vm().balloonMiB, { timeout: LIMIT_MS }).toBe(16);
  await page.getByRole('button', { name: 'Give it all back' }).click();
  await page.getByText('256 MiB of 256 MiB').waitFor();
  await expect.poll(() => vm().balloonMiB, { timeout: LIMIT_MS }).toBe(256);
  await page.getByRole('button', { name: 'Done' }).click();

  await drives.click();
  expect(await page.getByRole('menuitem', { name: /^Eject/ }).getAttribute('aria-disabled')).toBe('true');
  await page.getByRole('menuitem', { name: /^Insert image/ }).click();
  await page.getByRole('textbox', { name: 'Image' }).fill(`${disc}.missing`);
  await page.getByRole('button', { name: 'Insert' }).click();
  expect(await page.getByRole('dialog').getByRole('alert').textContent()).toContain('tools.iso.missing cannot be opened');
  await page.getByRole('textbox', { name: 'Image' }).fill(disc);
  await page.getByRole('button', { name: 'Insert' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(vm().drives).toMatchObject([{ disk: 'disk1', path: disc }]);
  await drives.click();
  await page.getByRole('menu').getByText('tools.iso').waitFor();
  await picture('14-drives');
  await page.getByRole('menuitem', { name: /^Eject/ }).click();
  await expect.poll(() => vm().drives, { timeout: LIMIT_MS }).toMatchObject([{ disk: 'disk1', path: '' }]);
});
