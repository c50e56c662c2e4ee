/** The host's clock, the same for all threads of the process. */
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { HostClock } from '#engine/checkpoint/ports.ts';

export const hostClock: HostClock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  sleep: ms => (ms > 0 ? setTimeout(ms) : setImmediate()),
};
