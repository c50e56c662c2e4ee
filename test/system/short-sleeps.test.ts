/** A guest whose kernel asks for ticks for ever and whose program sleeps shortly and does little in between: its sleeps stay as short as it asks for. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CairnHome } from '../support/cairn.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

const SLEEPS = 400;
/** The shell's own `read` waits for a pipe into which nobody writes, so that no process is made; the guest's clock tells how long that took, in hundredths. */
const PROGRAM = [
  'mkfifo /tmp/silent; exec 9<>/tmp/silent',
  'hundredths() { read up rest </proc/uptime; echo "${up%.*}${up#*.}"; }',
  'from=$(hundredths); i=0',
  `while [ $i -lt ${SLEEPS} ]; do read -t 0.02 nothing <&9; i=$((i + 1)); done`,
  'echo "took "$(($(hundredths) - from))" hundredths"',
].join('\n');

test('sleeps of 20 ms are not put off, though the guest does next to nothing', async () => {
  const vm = await home.demo('sleeper');
  vm.type(`${PROGRAM}\n`);
  const [, hundredths] = await vm.waitFor(/took (\d+) hundredths/);
  // By the guest's clock, which goes with the host's. Put off by 125 to 250 ms after the first two seconds, they would take more than forty.
  expect(Number(hundredths) / 100).toBeGreaterThanOrEqual(SLEEPS * 0.02);
  expect(Number(hundredths) / 100).toBeLessThan(SLEEPS * 0.02 * 3);
});
