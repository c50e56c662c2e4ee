// MIPS of the interpreter alone on small loops: `node test/bench/interpreter.ts`. Best of several, as the machine may be busy.
import { bareCpu } from '#test/support/bare-cpu.ts';

const ENDLESS = [0xff, 0xff, 0xff, 0x7f];
const LOOPS: Record<string, number[]> = {
  // mov ecx, n; again: add eax, ecx; dec ecx; jnz again
  'add, dec, jnz': [0xb9, ...ENDLESS, 0x01, 0xc8, 0x49, 0x75, 0xfb],
  // mov ecx, n; again: mov eax, [esi*4+20000h]; add [30000h], eax; inc esi; and esi, 255; call f; dec ecx; jnz again; hlt; nop; f: push ebp; mov ebp, esp; pop ebp; ret
  'load, store, call': [
    0xb9,
    ...ENDLESS,
    0x8b,
    0x04,
    0xb5,
    0,
    0,
    2,
    0,
    0x01,
    0x05,
    0,
    0,
    3,
    0,
    0x46,
    0x81,
    0xe6,
    0xff,
    0,
    0,
    0,
    0xe8,
    5,
    0,
    0,
    0,
    0x49,
    0x75,
    0xe4,
    0xf4,
    0x90,
    0x55,
    0x89,
    0xe5,
    0x5d,
    0xc3,
  ],
};
const CHUNK = 20e6;

for (const [name, code] of Object.entries(LOOPS)) {
  const machine = bareCpu();
  machine.start(code);
  let best = 0;
  for (let round = 0; round < 10; round++) {
    const from = performance.now();
    machine.cpu.run(CHUNK);
    best = Math.max(best, CHUNK / (performance.now() - from) / 1000);
  }
  console.log(`${name.padEnd(20)} ${best.toFixed(0)} MIPS`);
}
