/** What comes from outside: time, the user, discs, storage; and the machine as a whole. */
import type { Emit } from '../emit.ts';

const HOUR = 3600e9;

export function time(emit: Emit) {
  emit.advance(
    emit.random.pick([1, 10, 1000, 50_000, 50_000, 1e6, 1e6, 20e6, 1e9, 60e9, emit.chance(5) ? HOUR : 1, emit.chance(1) ? 24 * HOUR : 1]),
  );
}
export function storage(emit: Emit) {
  emit.complete();
}
export function user(emit: Emit) {
  const { random } = emit;
  switch (random.below(4)) {
    case 0:
      emit.add({ kind: 'balloon', pages: random.below(2000) });
      return;
    case 1:
      emit.add({ kind: 'eject', drive: random.below(3) });
      return;
    default:
      emit.add({ kind: 'disc', drive: random.below(3), disc: emit.chance(30) ? random.below(5) : 1 + random.below(2) });
  }
}
export function pages(emit: Emit) {
  emit.add({ kind: 'pages', left: emit.chance(50) ? -1 : emit.random.below(60) });
}
export function machine(emit: Emit) {
  if (emit.chance(40)) emit.add({ kind: 'reload' });
  else if (emit.chance(70)) emit.add({ kind: 'follow', count: 20 + emit.random.below(100) });
  else if (emit.chance(30)) emit.reset();
}
