/**
 * CPU time of Linux work on the Pc class, in one process with no workers and no pacing: `node test/bench/linux-work.ts [CORE]`, CORE being another build's
 * engine.wasm. Instruction counts and hashes repeat exactly, so two cores that differ only in speed print the same ones.
 */
import { readFileSync } from 'node:fs';
import { Pc } from '#engine/machine/pc.ts';
import { PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import { BENCH_CONFIG } from '../support/bench-pc.ts';
import { coreModule } from '../support/core-module.ts';
import { demo } from '../support/guests.ts';

const WORK: Record<string, string> = {
  'shell loop 30k': 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done',
  'fork and exec 300': 'i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done',
  'awk 100k': "awk 'BEGIN{s=0;for(i=1;i<=100000;i++)s=(s*31+i)%65521;print s}'",
  'find and sort': 'find / | sort | wc -l',
};
const SLICE = 1e6;
const ramBytes = 256 << 20;
const core = process.argv[2];
const pages = Math.ceil((POOL_BASE + (ramBytes / PAGE_SIZE + 4096) * PAGE_SIZE) / 65536);
const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
let output = '';
const pc = new Pc(
  core === undefined ? coreModule() : new WebAssembly.Module(readFileSync(core)),
  memory,
  {
    ...BENCH_CONFIG,
    ramBytes,
    boot: { kind: 'linux', kernel: readFileSync(demo.kernel()), initrd: readFileSync(demo.initrd()), commandLine: 'console=ttyS0 quiet' },
  },
  { serialOutput: (index, byte) => void (index === 0 && (output += String.fromCharCode(byte))) },
);

function runUntil(pattern: RegExp): void {
  while (!pattern.test(output)) {
    const end = pc.runSlice(SLICE);
    if (end.kind === 'halted') pc.advanceTimeNs(pc.nextDeadlineNs()! - pc.nowNs());
    else if (end.kind !== 'budget') throw new Error(`the guest ended: ${JSON.stringify(end)}`);
  }
}
function type(text: string): void {
  for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) {
    bytes = bytes.subarray(pc.serialInput(0, bytes));
    pc.runSlice(SLICE);
  }
}
function measure(name: string, act: () => void): void {
  const before = process.cpuUsage();
  const count = pc.instructionCount();
  output = '';
  act();
  const { user, system } = process.cpuUsage(before);
  const done = pc.instructionCount() - count;
  const mips = (done / (user + system)).toFixed(0);
  console.log(
    `${name.padEnd(20)}${((user + system) / 1e6).toFixed(2).padStart(7)} s ${String(done).padStart(11)} instructions ${mips} MIPS  ${pc.stateHash()}`,
  );
}

measure('boot to shell', () => runUntil(/\/root # /));
for (const [name, command] of Object.entries(WORK)) {
  measure(name, () => {
    type(`${command}; echo "@@"done"@@"\n`);
    runUntil(/@@done@@/);
  });
}
