/** Runs a test image on Cairn's CPU alone: RAM, COM1's transmitter and isa-debug-exit, nothing else. */
import { STOP_BUDGET, STOP_EXIT } from '#engine/cpu/core-exports.ts';
import { Cpu } from '#engine/cpu/cpu.ts';
import { PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import { startFlat } from '#engine/machine/boot-cpu.ts';
import { loadMultiboot } from '#engine/machine/multiboot.ts';
import { Ram } from '#engine/machine/ram.ts';
import { coreModule } from '../support/core-module.ts';

const RAM_BYTES = 64 << 20;
const LSR_EMPTY = 0x60;

export function runInCairn(image: Uint8Array): string {
  const ramPages = RAM_BYTES / PAGE_SIZE;
  const poolPages = ramPages + 64;
  const wasmPages = (POOL_BASE + poolPages * PAGE_SIZE) / 0x10000;
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: 65536, shared: true });
  let text = '';
  let ended = false;
  const cpu = new Cpu(coreModule(), memory, {
    portIn: port => (port === 0x3fd ? LSR_EMPTY : 0xff),
    portOut(port, _size, value) {
      if (port === 0x3f8) text += String.fromCharCode(value & 0xff);
      if (port === 0xf4) {
        ended = true;
        cpu.exports.requestExit();
      }
    },
    mmioRead: () => 0xffffffff,
    mmioWrite() {},
    fpuError: () => {},
    acknowledgeInterrupt: () => 0,
    poolExhausted() {},
  });
  cpu.exports.init(ramPages, poolPages);
  cpu.exports.mapRam(0, ramPages);
  startFlat(memory, loadMultiboot(new Ram(memory, cpu.exports), RAM_BYTES, { kernel: image, modules: [], commandLine: '' }));
  cpu.exports.resetDerived();
  let stop = STOP_BUDGET;
  for (let slices = 0; stop === STOP_BUDGET && slices < 2000; slices++) stop = cpu.run(10_000_000);
  if (stop !== STOP_EXIT || !ended)
    throw new Error(`Cairn ended with stop reason ${stop} before the image did, after ${JSON.stringify(text.slice(-400))}`);
  return text;
}
