/** A Chromium of the machine's own, for tests: CHROMIUM_PATH, else one on PATH. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export function chromiumPath(): string {
  const given = process.env['CHROMIUM_PATH'];
  const candidates = given
    ? [given]
    : (process.env['PATH'] ?? '').split(path.delimiter).flatMap(folder => NAMES.map(name => path.join(folder, name)));
  for (const file of candidates) {
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // the next one
    }
  }
  throw new Error(
    given
      ? `CHROMIUM_PATH names no program: ${given}`
      : 'this test needs Chromium: install it (on Debian: apt-get install chromium) or set CHROMIUM_PATH',
  );
}

export function launchChromium(): Promise<Browser> {
  const args = ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run'];
  if (process.getuid?.() === 0) args.push('--no-sandbox'); // Chromium's sandbox refuses root
  return chromium.launch({ executablePath: chromiumPath(), args });
}
