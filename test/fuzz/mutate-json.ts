/** Damage to JSON: values become others of every kind, keys go, come and are exchanged; sometimes the text itself is cut, or gets bytes that are none of JSON. */
import type { Random } from './random.ts';

const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 512, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 1e308, -1e308],
  ...[
    '',
    '0',
    'base',
    '..',
    '../../etc',
    '/',
    '/secret',
    'a\u0000b',
    '\ud800',
    '\u202e',
    '__proto__',
    'x'.repeat(5000),
    'f'.repeat(32),
    'disk0',
    'raw',
    'qcow2',
    '2026-01-01T00:00:00Z',
  ],
  ...[[], {}, [[]], { version: 1 }, Array.from({ length: 300 }, (_, i) => i)],
];
const KEYS = ['__proto__', 'constructor', 'toString', 'version', 'path', 'top', 'base', '', 'x'.repeat(300), '0'];

interface Place {
  readonly parent: Record<string, unknown>;
  readonly key: string;
}

function places(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found;
  for (const key of Object.keys(value)) {
    found.push({ parent: value as Record<string, unknown>, key });
    places((value as Record<string, unknown>)[key], found);
  }
  return found;
}

export function mutateJson(text: string, random: Random): Uint8Array {
  const root = { value: JSON.parse(text) as unknown };
  for (let count = 1 + random.below(3); count > 0; count--) {
    const all = places(root);
    if (all.length === 0) break;
    const { parent, key } = random.pick(all);
    const other = random.pick(all);
    const how = random.below(6);
    if (how === 0) delete parent[key];
    else if (how === 1) parent[key] = structuredClone(other.parent[other.key]);
    else if (how === 2) set(parent, random.pick(KEYS), structuredClone(parent[key]));
    else if (how === 3 && typeof parent[key] === 'string') parent[key] = mutateString(parent[key], random);
    else parent[key] = structuredClone(random.pick(VALUES));
  }
  const bytes = new TextEncoder().encode(JSON.stringify(root.value) ?? '');
  if (random.oneIn(8)) return bytes.subarray(0, random.below(bytes.length + 1));
  if (random.oneIn(8)) for (let i = 0; i < 3 && bytes.length > 0; i++) bytes[random.below(bytes.length)] = random.next();
  if (random.oneIn(40)) return nested(random);
  return bytes;
}

/** As JSON has it: “__proto__” is a key like others. */
function set(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

function mutateString(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const more = random.pick(['', '\0', '/', '../', 'é', '0', 'F', ' ', '\n']);
  return text.slice(0, at) + more + text.slice(at + random.below(3));
}

/** A text that takes the stack of whoever goes into it by calls. */
function nested(random: Random): Uint8Array {
  const [open, close] = random.pick([
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  const depth = 20_000;
  return new TextEncoder().encode(`${open.repeat(depth)}1${close.repeat(depth)}`);
}
