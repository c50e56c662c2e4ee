import { beforeEach, describe, expect, test } from 'vitest';
import { checkpointName, CheckpointRun } from '#test/support/checkpoint-run.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { eliminateCheckpoints } from './eliminate.ts';
import { PagesReader } from './format/pages-reader.ts';
import { verifyCheckpoints } from './verify.ts';

const vm = await FakeVm.create(200);
let run: CheckpointRun;
beforeEach(async () => {
  run = await CheckpointRun.ofThreeGenerations(vm);
});

const found = () =>
  [...verifyCheckpoints(run.store, nodeCodec)].flatMap(({ findings }) =>
    findings.map(({ id, kind, problem }) => `${id} ${kind}: ${problem}`),
  );
const eliminate = (n: number) => eliminateCheckpoints(run.store, [checkpointName(n)], nodeCodec);
const leftOf = (n: number) => run.store.pagesPathOf(checkpointName(n));

describe('verifying checkpoints', () => {
  test('finds nothing wrong with whole files, also where one was eliminated', () => {
    expect(found()).toEqual([]);
    eliminate(1);
    expect(found()).toEqual([]);
  });

  test('a damaged group is damage of the checkpoint that has it and of those that point to it, and no other’s', () => {
    using reader = PagesReader.openPages(run.files, run.pathOf(2), nodeCodec);
    run.scratch(run.pathOf(2), reader.groups[0]!.offset);
    expect(found()).toEqual([
      expect.stringMatching(/^checkpoint2 damaged: .*checkpoint2\.ckpt is damaged \(the page group 0/),
      expect.stringMatching(/^checkpoint3 damaged: .*checkpoint2\.ckpt is damaged \(the page group 0/),
    ]);
  });

  test('so it is in what is left of an eliminated one', () => {
    eliminate(1);
    using reader = PagesReader.openPages(run.files, leftOf(1), nodeCodec);
    const group = [...reader.groups.keys()].find(index => reader.hasGroup(index))!;
    run.scratch(leftOf(1), reader.groups[group]!.offset);
    expect(found()).toContainEqual(expect.stringMatching(/^checkpoint2 damaged: .*checkpoint1\.pages is damaged/));
  });

  test('a file that is gone, or was exchanged, is missed by those that point to it', () => {
    const other = run.files.get(run.pathOf(2));
    run.files.remove(run.pathOf(1));
    expect(found()).toEqual([
      expect.stringContaining('checkpoint2 damaged: it needs /vm/checkpoints/checkpoint1.ckpt, which is gone'),
      expect.stringContaining('checkpoint3 damaged: it needs /vm/checkpoints/checkpoint1.ckpt, which is gone'),
    ]);
    using exchanged = run.files.createExclusive(run.pathOf(1));
    exchanged.write(other, 0);
    expect(found()).toContainEqual(expect.stringMatching(/^checkpoint3 damaged: it needs .* as it was, and that is another file now/));
  });

  test('pages that nobody points to are left over', () => {
    eliminate(1);
    const left = run.files.get(leftOf(1));
    eliminate(2);
    eliminate(3);
    expect(found()).toEqual([]);
    using forgotten = run.files.createExclusive(leftOf(1));
    forgotten.write(left, 0);
    expect(found()).toEqual([
      expect.stringContaining('checkpoint1 leftover: /vm/checkpoints/checkpoint1.pages holds pages that no checkpoint'),
    ]);
  });
});
