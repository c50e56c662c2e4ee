/**
 * npm run bench disk-guest [ROUNDS]: disk throughput as a Linux guest sees it, in Cairn and in QEMU (TCG), by virtio and by IDE, each on a COW disk of
 * its own over one raw base file; prints medians and ratios to QEMU.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { CairnHome } from '../support/cairn.ts';
import { cairnDiskGuest, qemuDiskGuest, type GuestShell } from '../support/guest-shell.ts';
import { median } from './guest.ts';

const rounds = Number(process.argv[2] ?? 3);
const SIZE_MIB = 256;
const SEQUENTIAL_MIB = 128;
/** `unit`: of what the command's time, or what it prints ("N a second"), is turned into. */
const work: readonly { name: string; unit: 'MiB/s' | '1/s'; command: (device: string) => string }[] = [
  { name: 'read, 1 MiB each', unit: 'MiB/s', command: device => `dd if=${device} of=/dev/null bs=1M count=${SEQUENTIAL_MIB} iflag=direct` },
  {
    name: 'write, 1 MiB each',
    unit: 'MiB/s',
    command: device => `dd if=/dev/zero of=${device} bs=1M count=${SEQUENTIAL_MIB} oflag=direct`,
  },
  {
    name: 'write again, 1 MiB each',
    unit: 'MiB/s',
    command: device => `dd if=/dev/zero of=${device} bs=1M count=${SEQUENTIAL_MIB} oflag=direct`,
  },
  { name: 'read 4 KiB, 1 at a time', unit: '1/s', command: device => `disk-work rate ${device} read 1 4` },
  { name: 'read 4 KiB, 8 at a time', unit: '1/s', command: device => `disk-work rate ${device} read 8 4` },
  { name: 'write 4 KiB, 1 at a time', unit: '1/s', command: device => `disk-work rate ${device} write 1 4` },
  { name: 'write 4 KiB, 8 at a time', unit: '1/s', command: device => `disk-work rate ${device} write 8 4` },
];

const emulators = {
  async cairn(port: string, base: string, run: (shell: GuestShell) => Promise<void>): Promise<void> {
    const home = new CairnHome();
    try {
      await run(await cairnDiskGuest(home, 'bench', { args: ['--disk', `${base},if=${port},format=raw`] }));
    } finally {
      await home.dispose();
    }
  },
  async qemu(port: string, base: string, run: (shell: GuestShell) => Promise<void>): Promise<void> {
    const cow = `${base}.${port}.qcow2`;
    spawnSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', cow]);
    const shell = qemuDiskGuest({ args: ['-drive', `file=${cow},format=qcow2,if=${port}`] });
    try {
      await run(await shell.ready());
    } finally {
      await shell.machine.kill();
      rmSync(cow);
    }
  },
};

const results = new Map<string, Map<string, number[]>>();
async function measure(shell: GuestShell, port: string, emulator: string): Promise<void> {
  const device = port === 'virtio' ? '/dev/vda' : '/dev/sda';
  for (const { name, unit, command } of work) {
    const begin = performance.now();
    const output = await shell.run(command(device));
    const seconds = (performance.now() - begin) / 1000;
    const figure = unit === 'MiB/s' ? SEQUENTIAL_MIB / seconds : Number(/(\d+) a second/.exec(output)?.[1]);
    const row = results.get(`${port.padEnd(8)}${name} (${unit})`) ?? new Map<string, number[]>();
    results.set(`${port.padEnd(8)}${name} (${unit})`, row.set(emulator, [...(row.get(emulator) ?? []), figure]));
  }
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
const base = path.join(folder, 'base.raw');
spawnSync('dd', ['if=/dev/urandom', `of=${base}`, 'bs=1M', `count=${SIZE_MIB}`], { stdio: 'ignore' });
try {
  for (let round = 0; round < rounds; round++) {
    for (const port of ['virtio', 'ide'])
      for (const [name, start] of Object.entries(emulators)) await start(port, base, shell => measure(shell, port, name));
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`${''.padEnd(44)}${'cairn'.padStart(10)}${'qemu'.padStart(10)}${'cairn/qemu'.padStart(12)}`);
for (const [name, row] of results) {
  const [cairn, qemu] = [median(row.get('cairn') ?? []), median(row.get('qemu') ?? [])];
  console.log(`${name.padEnd(44)}${cairn.toFixed(0).padStart(10)}${qemu.toFixed(0).padStart(10)}${(cairn / qemu).toFixed(2).padStart(12)}`);
}
