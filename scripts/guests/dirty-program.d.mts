/** The bytes of the static i386 Linux program "dirty". */
export function dirtyProgram(): Uint8Array;
