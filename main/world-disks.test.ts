import { expect, test } from 'vitest';
import { Thread } from '#worker/thread.ts';
import { offlineMemory } from '#worker/world-block.ts';
import { WorldDisks } from './world-disks.ts';
import { sourceFiles } from './world-manager.ts';

test('who asks something of the disks of a world that ends is told that it has, sooner or later', async () => {
  const drive = { name: 'disk0', interface: 'scsi', media: 'cdrom', cache: 'writeback', serial: '', source: { kind: 'none' } } as const;
  const disks = await WorldDisks.open(new Thread(sourceFiles.diskEntry, 'disk'), offlineMemory(), [drive], true);
  const finished = disks.finish();
  await expect(disks.request('adopt', { drop: true })).rejects.toThrow(/^The VM has ended before that\.$/);
  await finished;
  await expect(disks.request('adopt', { drop: true })).rejects.toThrow(/^The VM has ended before that\.$/);
});
