// Draws assets/icon.png (1024 × 1024) from assets/icon.svg with the machine's Chromium. Run it after changing the drawing.
import { readFileSync, writeFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { has, root, SetupError } from './lib/host.mjs';

const SIZE = 1024;
const executablePath = process.env.CHROMIUM_PATH ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(has);
if (!executablePath) throw new SetupError('Chromium is missing: install it or set CHROMIUM_PATH.');
const browser = await chromium.launch({
  executablePath,
  args: process.getuid?.() === 0 ? ['--no-sandbox', '--disable-gpu'] : ['--disable-gpu'],
});
try {
  const page = await browser.newPage({ viewport: { width: SIZE, height: SIZE } });
  const svg = readFileSync(`${root}assets/icon.svg`, 'utf8');
  await page.setContent(`<style>body{margin:0}svg{display:block;width:${SIZE}px;height:${SIZE}px}</style>${svg}`);
  writeFileSync(`${root}assets/icon.png`, await page.screenshot({ omitBackground: true }));
} finally {
  await browser.close();
}
