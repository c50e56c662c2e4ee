// Makes assets/screenshot.png: a session with the real app and the demo guest, in the machine's Chromium. Run it when the window changes.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { cacheDir, has, main, projectNode, root, SetupError } from './lib/host.mjs';

await main(async () => {
  const executablePath = process.env.CHROMIUM_PATH ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(has);
  if (!executablePath) throw new SetupError('Chromium is missing: install it or set CHROMIUM_PATH.');
  const home = mkdtempSync(path.join(os.tmpdir(), 'cairn-screenshot-'));
  const env = { ...process.env, CAIRN_HOME: home };
  const server = spawn(projectNode(), [`${root}scripts/cairn.mjs`, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const browser = await chromium.launch({ executablePath, args: ['--disable-gpu', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])] });
  try {
    let printed = '';
    for await (const chunk of server.stdout) {
      printed += chunk;
      if (/http:\S+\n/.test(printed)) break;
    }
    const page = await browser.newPage({ viewport: { width: 1360, height: 820 }, deviceScaleFactor: 2, colorScheme: 'dark' });
    page.setDefaultTimeout(120_000);
    await page.goto(/http:\S+/.exec(printed)[0]);
    await session(page);
    await page.screenshot({ path: `${root}assets/screenshot.png` });
  } finally {
    await browser.close();
    server.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  }
});

async function session(page) {
  const shows = line =>
    page.waitForFunction(pattern => new RegExp(pattern, 'm').test(document.querySelector('#screen-text')?.textContent ?? ''), line.source);
  const type = async (command, line) => {
    await page.getByRole('application').click();
    await page.keyboard.type(command);
    await page.keyboard.press('Enter');
    await shows(line);
  };
  const settled = async () => {
    const card = page.locator('.notice').first();
    await card.waitFor();
    await card.getByRole('button').click();
  };
  const take = async title => {
    await page.getByRole('button', { name: 'Take checkpoint', exact: true }).click();
    await page.getByLabel('Title').fill(title);
    await page.getByRole('dialog').getByRole('button', { name: 'Take checkpoint' }).click();
    await settled();
  };
  const guest = name => path.join(cacheDir(), 'guests', 'demo', name);

  await page.getByRole('button', { name: 'New virtual machine…' }).click();
  await page.getByLabel('Name').fill('Debian demo');
  await page.getByRole('textbox', { name: 'Kernel', exact: true }).fill(guest('vmlinuz'));
  await page.getByRole('textbox', { name: 'Initial RAM disk' }).fill(guest('initrd.gz'));
  await page.getByLabel('Kernel command line').fill('console=ttyS0 console=tty0 quiet loglevel=1');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('toolbar', { name: 'Machine' }).getByRole('button', { name: 'Start' }).click();
  await shows(/^\/root #/);
  await take('Fresh boot');
  await type('uname -srm', /^Linux .*i686/);
  await take('Logged in, looked around');
  await type('dirty 32', /^pass|^\d+/);
  await take('In the middle of a busy program');
  await page.getByRole('row', { name: /looked around/ }).click();
  await page.getByRole('button', { name: 'Revert to this' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Revert' }).click();
  await settled();
  await type('free -m', /^Mem:/);
  await take('Before the risky part');
  await type('cd ..', /^\/ #/);
  await type('rm -rf bin etc', /rm -rf bin etc\n\/ #/);
  await type('ls bin', /No such file/);
  await page.getByRole('row', { name: /risky part/ }).click();
  await page.mouse.move(10, 700);
  await page.waitForFunction(() => document.querySelector('.notice') === null);
  await page.waitForFunction(() => !document.querySelector('.room').textContent.includes('…'));
}
