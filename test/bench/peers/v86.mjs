// v86 (npm) as a command: a Linux guest with its first serial port on stdin/stdout. SIGUSR2 saves its whole state in memory and prints how long
// the guest stood still, as "@@SAVED milliseconds bytes"; SIGHUP goes back to what was saved last and prints "@@RESTORED milliseconds".
//   node v86.mjs KERNEL INITRD MEMORY_MIB "COMMAND LINE"
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { V86 } from 'v86';

const [kernel, initrd, memory, cmdline] = process.argv.slice(2);
const image = file => ({ buffer: new Uint8Array(readFileSync(file)).buffer });
const build = path.join(path.dirname(createRequire(import.meta.url).resolve('v86/package.json')), 'build');
const emulator = new V86({
  wasm_path: path.join(build, 'v86.wasm'),
  bios: image('/usr/share/seabios/bios.bin'),
  vga_bios: image('/usr/share/seabios/vgabios-stdvga.bin'),
  memory_size: Number(memory) << 20,
  bzimage: image(kernel),
  initrd: image(initrd),
  cmdline,
  fastboot: true,
  autostart: true,
});
let pending = [];
emulator.add_listener('serial0-output-byte', byte => {
  if (pending.length === 0) setImmediate(() => process.stdout.write(Buffer.from(pending.splice(0))));
  pending.push(byte);
});
process.stdin.on('data', bytes => emulator.serial_send_bytes(0, bytes));
let state;
process.on('SIGUSR2', async () => {
  const begin = performance.now();
  state = await emulator.save_state();
  process.stdout.write(`\n@@SAVED ${(performance.now() - begin).toFixed(1)} ${state.byteLength}\n`);
});
process.on('SIGHUP', async () => {
  const begin = performance.now();
  await emulator.restore_state(state);
  process.stdout.write(`\n@@RESTORED ${(performance.now() - begin).toFixed(1)}\n`);
});
