/** asc's options for code of a world; `initialPages`: 64 KiB each, what the code wants of memory at least. */
export function coreOptions(initialPages: number): string[];
