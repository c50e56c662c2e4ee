/**
 * npm run bench boot [ROUNDS]: time from the start of the process to the demo guest's shell, and of some shell commands, in Cairn, QEMU (TCG) and
 * v86, in turn within each round; prints medians and ratios to QEMU.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { emulators, median, SHELL } from './guest.ts';

const rounds = Number(process.argv[2] ?? 3);
const work: Record<string, string> = {
  'sha256 8 MiB': 'head -c 8388608 /dev/zero | sha256sum',
  'shell loop 30k': 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done',
  'fork and exec 100': 'i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done',
  'awk 100k': "awk 'BEGIN{s=0;for(i=1;i<=100000;i++)s=(s*31+i)%65521;print s}'",
  'gzip 4 MiB': 'head -c 4194304 /bin/busybox /bin/busybox /bin/busybox | gzip | wc -c',
};
const times = new Map<string, Map<string, number[]>>();
function note(step: string, emulator: string, seconds: number): void {
  const row = times.get(step) ?? new Map<string, number[]>();
  times.set(step, row.set(emulator, [...(row.get(emulator) ?? []), seconds]));
}

for (let round = 0; round < rounds; round++) {
  for (const [emulator, start] of Object.entries(emulators)) {
    const home = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
    let begin = performance.now();
    const lap = () => (performance.now() - begin) / 1000;
    const guest = start({ memoryMiB: 512, home, append: 'quiet' });
    await guest.waitFor(SHELL);
    note('boot to shell', emulator, lap());
    let number = 0;
    for (const [step, command] of Object.entries(work)) {
      begin = performance.now();
      guest.type(`${command}; echo "@@"${++number}"@@"\n`);
      await guest.waitFor(new RegExp(`@@${number}@@`));
      note(step, emulator, lap());
    }
    await guest.kill();
    rmSync(home, { recursive: true, force: true });
  }
}
const names = Object.keys(emulators);
console.log(
  ['step'.padEnd(20), ...names.map(name => `${name} s`.padStart(10)), ...names.map(name => `${name}/qemu`.padStart(12))].join(''),
);
for (const [step, row] of times) {
  const medians = names.map(name => median(row.get(name) ?? []));
  const qemu = medians[names.indexOf('qemu')]!;
  console.log(
    [
      step.padEnd(20),
      ...medians.map(value => value.toFixed(2).padStart(10)),
      ...medians.map(value => (value / qemu).toFixed(2).padStart(12)),
    ].join(''),
  );
}
