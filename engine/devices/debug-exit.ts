/** QEMU's isa-debug-exit at F4h: a test program writes its result and the machine ends with exit code (value << 1) | 1. No state. */
import type { PortBus } from './device.ts';

const PORT_EXIT = 0xf4;

export function connectDebugExit(ports: PortBus, exit: (code: number) => void) {
  for (const size of [1, 2, 4] as const) ports.onWrite(PORT_EXIT, value => exit(((value << 1) | 1) & 0xff), size);
}
