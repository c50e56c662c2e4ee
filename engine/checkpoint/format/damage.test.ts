import { beforeAll, describe, expect, test } from 'vitest';
import { CheckpointError } from '#engine/errors/errors.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import type { Codec } from '../ports.ts';
import {
  COMMIT_SIZE,
  HEADER_SIZE,
  INDEX_POINTED,
  INDEX_STORED,
  INDEX_ZERO,
  SECTION_RECORD,
  SECTION_RECORDS_AT,
  SECTIONS,
} from './layout.ts';
import { PageIndex } from './page-index.ts';
import { CheckpointReader } from './reader.ts';
import type { CheckpointMeta, DiskPointer, PointedFile } from './schemas.ts';
import { CheckpointWriter } from './writer.ts';

const PATH = '/vm/checkpoints/checkpoint1.ckpt';
const POINTED: PointedFile = { id: 'checkpoint0', sizeBytes: 999, commitChecksum: 7 };

interface Parts {
  meta: Partial<CheckpointMeta>;
  files: PointedFile[];
  index: PageIndex;
  disks: DiskPointer[];
}

const DISK: DiskPointer = { disk: 'disk0', layer: '0123456789abcdef'.repeat(2), sizeBytes: 1 << 20 };

/** Two stored pages (one compresses), a zero page, one pointed to, one absent; `change` may say it wrongly, with right checksums. */
function build(change: (parts: Parts) => void = () => {}): Uint8Array {
  const files = new MemoryFiles();
  const writer = new CheckpointWriter(files.createExclusive(PATH), nodeCodec);
  writer.writeDevices([{ name: 'cpu', version: 1, state: { block: new Uint8Array([1, 2, 3]) } }]);
  const index = new PageIndex(5);
  index.kinds.set([INDEX_STORED, INDEX_STORED, INDEX_ZERO, INDEX_POINTED]);
  index.places[0] = writer.addPage(new Uint8Array(4096).fill(7));
  writer.flushGroup();
  index.places[1] = writer.addPage(Uint8Array.from({ length: 4096 }, (_, i) => (i < 300 ? (i * i * 2654435761) >>> 13 : 0)));
  writer.flushGroup();
  index.places[3] = 65;
  const parts: Parts = { meta: {}, files: [POINTED], index, disks: [DISK] };
  change(parts);
  const meta: CheckpointMeta = {
    id: 'checkpoint1',
    vmName: 'Debian',
    title: 'T',
    takenAt: '2026-11-22T12:00:00Z',
    ramBytes: 16384,
    epoch: 1,
    running: true,
    pauseMs: 0.5,
    totalMs: 3,
    pages: index.counts,
    ...parts.meta,
  };
  writer.writeDisks(parts.disks);
  writer.finish(meta, parts.files, index);
  return files.get(PATH);
}

/** Reads all there is to read. */
function readAll(bytes: Uint8Array, codec: Codec = nodeCodec): void {
  const files = new MemoryFiles();
  files.put(PATH, bytes);
  try {
    using reader = CheckpointReader.open(files, PATH, codec);
    reader.verify();
  } finally {
    expect(files.open).toBe(0);
  }
}

function refusal(bytes: Uint8Array): CheckpointError {
  try {
    readAll(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toContain(PATH);
    return error as CheckpointError;
  }
  throw new Error('it was taken for a good file');
}

/** With the right kind of error: anything else is not a refusal. */
function isRefused(bytes: Uint8Array): boolean {
  try {
    readAll(bytes);
    return false;
  } catch (error) {
    return error instanceof CheckpointError && error.message.includes(PATH);
  }
}

let good: Uint8Array;
beforeAll(() => {
  good = build();
});

describe('a damaged checkpoint file is refused:', () => {
  test('the good one is not', () => expect(() => readAll(good)).not.toThrow());

  test('any byte flipped, in any way', () => {
    const taken: string[] = [];
    for (let at = 0; at < good.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const bad = good.slice();
        bad[at]! ^= flip;
        if (!isRefused(bad)) taken.push(`byte ${at} ^ ${flip}`);
      }
    }
    expect(taken).toEqual([]);
  });

  test('cut off anywhere, or with something after its end', () => {
    for (let length = 0; length < good.length; length++) expect(isRefused(good.slice(0, length))).toBe(true);
    expect(isRefused(new Uint8Array([...good, 0]))).toBe(true);
    expect(isRefused(new Uint8Array([...good, ...good.slice(-COMMIT_SIZE)]))).toBe(true);
    expect(refusal(good.slice(0, -1)).message).toBe(
      `The checkpoint file ${PATH} is damaged (it has no end: it was cut off): it cannot be used. Choose another checkpoint.`,
    );
  });

  test('of another format', () => {
    const newer = good.slice();
    newer[8] = 3;
    new DataView(newer.buffer).setUint32(HEADER_SIZE - 4, nodeCodec.checksum(newer.subarray(0, HEADER_SIZE - 4)), true);
    expect(refusal(newer).code).toBe('CHECKPOINT_VERSION');
  });
});

describe('a forged file, with right checksums, is refused:', () => {
  test.each<[string, (parts: Parts) => void]>([
    [
      'a page beyond its groups',
      ({ index }) => {
        index.places[0] = 128;
      },
    ],
    [
      'a page beyond the end of its group',
      ({ index }) => {
        index.places[0] = 1;
      },
    ],
    [
      'a file that is not in the table',
      ({ index }) => {
        index.kinds[3] = INDEX_POINTED + 1;
      },
    ],
    [
      'a zero page with a place',
      ({ index }) => {
        index.places[2] = 1;
      },
    ],
    [
      'page counts that are not so',
      ({ meta }) => {
        meta.pages = { stored: 1, zero: 1, pointed: 1, absent: 1 };
      },
    ],
    [
      'an id that leads out of the folder',
      ({ files }) => {
        files[0] = { ...POINTED, id: '../../etc' };
      },
    ],
    [
      'an id of its own that does',
      ({ meta }) => {
        meta.id = '../checkpoint';
      },
    ],
    [
      'a file that points to itself',
      ({ files }) => {
        files[0] = { ...POINTED, id: 'checkpoint1' };
      },
    ],
    [
      'a disk layer that leads out of the folder',
      ({ disks }) => {
        disks[0] = { ...DISK, layer: '../../etc' };
      },
    ],
    [
      'a disk that is there twice',
      ({ disks }) => {
        disks.push({ ...DISK, sizeBytes: 512 });
      },
    ],
    [
      'more disks than a machine may have',
      ({ disks }) => {
        for (let n = 1; n <= 64; n++) disks.push({ ...DISK, disk: `disk${n}` });
      },
    ],
    [
      'metadata of the wrong type',
      ({ meta }) => {
        meta.ramBytes = -1;
      },
    ],
    [
      'metadata without an end',
      ({ meta }) => {
        meta.title = 'x'.repeat(2000);
      },
    ],
  ])('%s', (_, change) => expect(refusal(build(change))).toBeInstanceOf(CheckpointError));

  /** Changes the record of one section and mends the commit record's checksum. */
  function forge(section: (typeof SECTIONS)[number], field: number, value: number): Uint8Array {
    const bad = good.slice();
    const commit = bad.subarray(-COMMIT_SIZE);
    const view = new DataView(commit.buffer, commit.byteOffset);
    view.setUint32(SECTION_RECORDS_AT + SECTIONS.indexOf(section) * SECTION_RECORD + field, value, true);
    view.setUint32(COMMIT_SIZE - 4, nodeCodec.checksum(commit.subarray(0, COMMIT_SIZE - 4)), true);
    return bad;
  }

  test.each(
    SECTIONS.flatMap(
      name =>
        [
          [name, 'claims 4 GiB', 20, 0xffffffff],
          [name, 'claims more than it holds', 20, 60_000],
          [name, 'lies elsewhere', 8, 70],
          [name, 'lies beyond the end', 12, 1],
          [name, 'has another length', 16, 3],
          [name, 'has an unknown codec', 4, 2],
          [name, 'is of another kind', 0, 9],
        ] as const,
    ),
  )('the section %s %s', (name, _, field, value) => {
    let largest = 0;
    const watching: Codec = {
      ...nodeCodec,
      decompress: (bytes, rawLength) => {
        largest = Math.max(largest, rawLength);
        return nodeCodec.decompress(bytes, rawLength);
      },
    };
    expect(() => readAll(forge(name, field, value), watching)).toThrow(CheckpointError);
    expect(largest).toBeLessThan(70_000);
  });
});
