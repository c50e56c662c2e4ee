/** Operand sizes as opcodes encode them. */
import type { Size, Snippet } from './snippet.ts';

const sizes: readonly Size[] = [1, 2, 4];

export const anySize = (s: Snippet) => s.random.pick(sizes);
export const wordSize = (s: Snippet): Size => (s.random.below(3) === 0 ? 2 : 4);
/** The opcode's w bit. */
export const w = (size: Size) => (size === 1 ? 0 : 1);
