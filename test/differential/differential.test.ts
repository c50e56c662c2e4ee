/**
 * Cairn's CPU against QEMU's: generated instructions with edge operands, in ring 0, ring 3, 16-bit segments and virtual-8086 mode, registers,
 * EFLAGS, memory, faults, x87 and SSE state compared. run.ts does more of them.
 */
import { describe, expect, it } from 'vitest';
import { compareSeed } from './compare.ts';
import { makeCases } from './generate.ts';
import { differences } from './record.ts';

const SNIPPETS = 10_000;

describe('Cairn and QEMU agree', () => {
  it.each([
    [1, 'legacy'],
    [2, 'pae'],
  ] as const)('on the snippets of seed %i, %s paging', (seed, paging) => {
    const { mismatches, snippets } = compareSeed(seed, SNIPPETS, paging);
    expect(snippets).toBe(SNIPPETS);
    expect(mismatches.map(({ report }) => report)).toEqual([]);
  });
});

describe('the comparison', () => {
  const line = '0'.repeat(8 * 19);
  const [{ snippet }] = makeCases(1, 1) as [ReturnType<typeof makeCases>[0]];

  it('sees every field', () => {
    for (let field = 0; field < 19; field++) {
      const changed = `${line.slice(0, field * 8)}80000000${line.slice(field * 8 + 8)}`;
      expect(differences(snippet, changed, line)).toHaveLength(1);
    }
  });
});
