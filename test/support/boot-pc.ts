/**
 * Boots a kernel headless on the Pc class, in one process with no workers: for looking at a boot.
 *   node test/support/boot-pc.ts KERNEL [INITRD] [COMMAND LINE] [MIB]
 */
import { readFileSync } from 'node:fs';
import { detectKernel } from '#engine/machine/kernel-kind.ts';
import { BenchPc } from './bench-pc.ts';

const [kernelPath, initrdPath, commandLine = 'console=ttyS0', mib = '512'] = process.argv.slice(2);
if (kernelPath === undefined) throw new Error('usage: boot-pc.ts KERNEL [INITRD] [COMMAND LINE] [MIB]');
const kernel = readFileSync(kernelPath);
const initrd = initrdPath ? readFileSync(initrdPath) : undefined;
const bench = new BenchPc({
  ramBytes: Number(mib) * 2 ** 20,
  boot:
    detectKernel(kernel) === 'linux'
      ? { kind: 'linux', kernel, initrd, commandLine }
      : { kind: 'multiboot', kernel, modules: initrd ? [{ contents: initrd, commandLine: '' }] : [], commandLine },
});
bench.onSerial = (index, byte) => void (index === 0 && process.stdout.write(Uint8Array.of(byte)));
const start = performance.now();
const end = bench.run(Number(process.env['MAX'] ?? 20e9));
const seconds = (performance.now() - start) / 1000;
const { pc } = bench;
const mips = pc.instructionCount() / seconds / 1e6;
console.error(
  `\n[${JSON.stringify(end)} after ${pc.instructionCount()} instructions, ${(pc.nowNs() / 1e9).toFixed(3)} s virtual, ${seconds.toFixed(2)} s, ${mips.toFixed(0)} MIPS]`,
);
