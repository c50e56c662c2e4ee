/**
 * What the core and the program around it must agree on: the numbers that AssemblyScript and TypeScript both read. The build writes their digest into
 * build/engine.wasm (a custom section, WebAssembly specification § 5.5.3), and no CPU is made of a core with another one. It would look like a machine that
 * works: a core that knows nothing of a counter leaves it at zero, and whoever reads the counter draws conclusions.
 */
import { ConfigError } from '../errors/errors.ts';
import * as layout from '../memory/layout.ts';
import * as mmmBlock from '../memory/mmm-block.ts';
import * as bits from './bits.ts';
import * as block from './block.ts';
import * as handlers from './handlers.ts';
import * as op from './op.ts';
import * as scratch from './scratch.ts';

/** Its content is coreAgreement() in ASCII. */
export const AGREEMENT_SECTION = 'cairn.agreement';

const PRIME = 0x0100_0193;
const OFFSET_BASIS = 0x811c_9dc5;

/** FNV-1a, 32 bits, over the names and values of every shared number, as eight hex digits. */
export function coreAgreement(): string {
  let hash = OFFSET_BASIS;
  for (const numbers of [layout, mmmBlock, bits, block, handlers, op, scratch]) {
    for (const name of Object.keys(numbers).toSorted()) {
      const line = `${name}=${(numbers as Record<string, number>)[name]};`;
      for (const letter of line) hash = Math.imul(hash ^ letter.charCodeAt(0), PRIME);
    }
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Throws ConfigError unless `core` was built from the numbers that this program has. */
export function checkCore(core: WebAssembly.Module): void {
  const [section] = WebAssembly.Module.customSections(core, AGREEMENT_SECTION);
  if (section !== undefined && String.fromCharCode(...new Uint8Array(section)) === coreAgreement()) return;
  throw new ConfigError(
    'OTHER_CORE',
    'the emulator core (build/engine.wasm) was built from other sources than this program: run `npm run build` in the project folder.',
  );
}
