/**
 * Segment limits and types (SDM 3A 5.3-5.5), which QEMU does not check: the runtime of the differential test in Cairn alone, against the rules
 * themselves.
 */
import { expect, it } from 'vitest';
import { runInCairn } from './cairn.ts';
import {
  buildImage,
  CODE_CONFORMING,
  CODE_EXECUTE_ONLY,
  DATA_DOWN,
  DATA_READ_ONLY,
  DATA_SMALL,
  END_VECTOR,
  RING3,
  SCRATCH,
} from './image.ts';
import { Random } from './random.ts';
import { parseRecord } from './record.ts';
import { Snippet } from './snippet.ts';

const GP = 13;
const SIZES = [1, 2, 4] as const;

interface Access {
  readonly selector: number;
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly write: boolean;
}

/** What the descriptors of image.ts allow. */
function allowed({ selector, offset, size, write }: Access): boolean {
  switch (selector) {
    case DATA_SMALL:
      return offset + size - 1 <= 0xff;
    case DATA_DOWN:
      return offset > 0x80ff;
    case DATA_READ_ONLY:
    case CODE_CONFORMING:
      return !write;
    default: // CODE_EXECUTE_ONLY can't even be loaded
      return false;
  }
}

/** Of a failed access zero, of a failed load the selector. */
function errorOf({ selector }: Access): number {
  return selector === CODE_EXECUTE_ONLY ? selector & ~3 : 0;
}

function snippetOf({ selector, offset, size, write }: Access): Snippet {
  const snippet = new Snippet(new Random(1), RING3);
  snippet.eflags &= 0x8d5;
  snippet.registers[6] = offset;
  snippet.db(0x6a, selector, 0x0f, 0xa1, 0x64).operandPrefix(size); // push selector; pop fs; mov [fs:esi], eax or back
  return snippet.db((write ? 0x88 : 0x8a) | (size === 1 ? 0 : 1), 0x06);
}

it('holds exactly where the segment ends and for what it is', () => {
  const accesses = [DATA_SMALL, DATA_DOWN, DATA_READ_ONLY, CODE_EXECUTE_ONLY, CODE_CONFORMING].flatMap(selector =>
    SIZES.flatMap(size =>
      [true, false].flatMap(write => {
        const edge = selector === DATA_SMALL ? 0xff : SCRATCH + 0xff;
        return Array.from({ length: 10 }, (_, i): Access => ({ selector, size, write, offset: edge + i - 6 }));
      }),
    ),
  );
  const lines = runInCairn(buildImage(accesses.map(snippetOf))).split('\n');
  const outcomes = accesses.map((access, i) => {
    const record = parseRecord(lines[i]!);
    return { ...access, vector: Number.parseInt(record.get('vector')!, 16), error: Number.parseInt(record.get('error')!, 16) };
  });
  expect(outcomes).toEqual(accesses.map(access => ({ ...access, vector: allowed(access) ? END_VECTOR : GP, error: errorOf(access) })));
});
