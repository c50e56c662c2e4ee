import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DISK_BYTES, GraphModel, expectVerified, type Kind } from '#test/support/disk-graph-model.ts';
import { diskOperations } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import type { DiskMode } from './descriptor.ts';

const RUNS = Number(process.env['CAIRN_DISK_GRAPH_RUNS'] ?? 25);

const operations = (most: number) => diskOperations(DISK_BYTES, 4096, most);
const action = fc.oneof(
  { weight: 6, arbitrary: operations(4).map(list => ({ kind: 'use' as const, list })) },
  {
    weight: 6,
    arbitrary: fc.tuple(operations(2), operations(2)).map(([pending, after]) => ({ kind: 'checkpoint' as const, pending, after })),
  },
  { weight: 4, arbitrary: fc.nat(20).map(at => ({ kind: 'eliminate' as const, at })) },
  { weight: 3, arbitrary: fc.nat(20).map(at => ({ kind: 'revert' as const, at })) },
  { weight: 6, arbitrary: fc.nat(12).map(steps => ({ kind: 'collect' as const, steps })) },
  { weight: 3, arbitrary: fc.constant({ kind: 'collectAll' as const }) },
  { weight: 2, arbitrary: fc.boolean().map(running => ({ kind: 'restart' as const, running })) },
  { weight: 1, arbitrary: fc.constantFrom<DiskMode>('chain', 'copy', 'full-copy').map(mode => ({ kind: 'mode' as const, mode })) },
);

test.each<[DiskMode, Kind, depth?: number]>([
  ['chain', 'blank', 4],
  ['chain', 'raw, written', 4],
  ['chain', 'qcow2, written', 6],
  ['copy', 'raw, written', 4],
  ['copy', 'raw', 4],
  ['chain', 'blank'],
  ['chain', 'raw'],
  ['chain', 'qcow2, written'],
  ['copy', 'blank'],
  ['copy', 'raw'],
  ['copy', 'raw, written'],
  ['full-copy', 'raw'],
  ['full-copy', 'raw, written'],
  ['full-copy', 'blank'],
])('%s, %s, %s: whatever is done in whatever order, the guest and every checkpoint read as plain arrays do', (mode, kind, depth) => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 5, maxLength: 25 }), fc.boolean(), (actions, canClone) => {
      const files = new MemoryFiles();
      files.canClone = canClone;
      const model = new GraphModel(files, kind, mode);
      model.depth = depth;
      for (const act of actions) {
        const pick = 'at' in act && model.checkpoints.length > 0 ? act.at % model.checkpoints.length : undefined;
        if (act.kind === 'use') model.use(act.list);
        else if (act.kind === 'checkpoint') model.checkpoint(act.pending, act.after);
        else if (act.kind === 'eliminate' && pick !== undefined) model.eliminate(pick);
        else if (act.kind === 'revert' && pick !== undefined) model.revert(pick);
        else if (act.kind === 'collect') model.collect(act.steps);
        else if (act.kind === 'collectAll') model.collectAll();
        else if (act.kind === 'restart') model.restart(act.running);
        else if (act.kind === 'mode') model.setMode(act.mode);
        model.expectAll();
      }
      model.restart(false);
      model.collectAll();
      model.expectAll();
      model.restart(false);
      model.expectCleanFiles();
      expectVerified(model.folder, model.needs);
      model.checkpoints = [];
      model.collectAll();
      model.expectAll();
      model.restart(false);
      expect(model.folder.layerIds().length).toBeLessThan(3);
      model.disk.close();
      expect(files.open).toBe(0);
    }),
    { numRuns: RUNS },
  );
});
