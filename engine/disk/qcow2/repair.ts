/** Repairs what can be repaired without guessing: wrong counts, leaks, wrong COPIED marks. Entries that no image can have are left and refused. */
import type { DiskHost } from '../open.ts';
import { checkQcow2, type CheckReport } from './check.ts';
import { COPIED, INCOMPATIBLE, SECTOR, viewOf } from './format.ts';
import { writeFields } from './header.ts';
import { Qcow2Image } from './image.ts';
import { rebuildRefcounts } from './rebuild.ts';
import { findReferences } from './references.ts';

export interface RepairReport {
  readonly before: CheckReport;
  readonly after: CheckReport;
}

/** The image must be in nobody's use. Repeating it after a crash is safe. */
export function repairQcow2({ files, codec }: DiskHost, path: string): RepairReport {
  let before: CheckReport;
  {
    using image = new Qcow2Image(files, codec, path, { writable: false, lenient: true });
    before = checkQcow2(image);
  }
  {
    using image = new Qcow2Image(files, codec, path, { writable: true, lenient: true });
    rebuildRefcounts(image);
    image.settle();
    repairMarks(image);
    image.header.incompatible &= ~(INCOMPATIBLE.corrupt | INCOMPATIBLE.dirty);
    writeFields(image.file, image.header);
    image.file.dataSync();
  }
  using image = new Qcow2Image(files, codec, path, { writable: false, lenient: true });
  return { before, after: checkQcow2(image) };
}

/** After the counts are right and safe: an entry says that its cluster is used once exactly where it is. */
function repairMarks(image: Qcow2Image): void {
  const { counts, marks, marksAt } = findReferences(image);
  const sector = new Uint8Array(SECTOR);
  const view = viewOf(sector);
  for (const [index, mark] of marks.entries()) {
    const once = counts.get(Math.floor(mark / 2)) === 1;
    if (once === (mark % 2 === 1)) continue;
    const at = marksAt[index]!;
    const inSector = at % SECTOR;
    sector.fill(0);
    image.file.read(sector, at - inSector);
    view.setUint32(inSector, (view.getUint32(inSector) ^ COPIED) >>> 0);
    image.file.write(sector, at - inSector);
  }
  image.file.dataSync();
}
