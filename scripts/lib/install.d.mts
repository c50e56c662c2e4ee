/** Builds build/engine.wasm when it is not that of the present sources. */
export function ensureCore(): void;
