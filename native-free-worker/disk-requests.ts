/** What each request of the kernel does in the disk worker. */
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import { ConfigError, InvariantError } from '#engine/errors/errors.ts';
import type { DiskRequest, DiskRequestKind, Medium } from './disk-protocol.ts';
import type { DiskServer } from './disk-server.ts';
import type { GraphBacking } from './graph-backing.ts';
import type { DiskBacking, ServedDisk } from './served-disk.ts';

/** An answer that comes later. */
export class Waiting {
  /** Looked at between operations. What it throws is the answer. */
  readonly isOver: () => boolean;

  constructor(isOver: () => boolean) {
    this.isOver = isOver;
  }
}

export type DiskHandlers = { readonly [K in DiskRequestKind]: (request: DiskRequest<K>) => unknown };

/** `openMedium`: opens what is put into a drive. Throws as openDisk does. */
export function diskHandlers(server: DiskServer, openMedium: (medium: Medium) => DiskBacking): DiskHandlers {
  const { graphs } = server;
  const each = (action: (graph: GraphBacking) => void) => {
    for (const graph of graphs) action(graph);
  };
  const named = (name: string): GraphBacking => {
    const graph = graphs.find(candidate => candidate.name === name);
    if (graph === undefined) throw new InvariantError(`there is no ${name} that checkpoints hold`);
    return graph;
  };
  const drive = (name: string): ServedDisk => {
    const found = server.disks.find(({ spec }) => spec.name === name);
    if (found?.spec.media !== 'cdrom') throw new InvariantError(`there is no CD-ROM drive ${name}`);
    return found;
  };
  return {
    prepare: ({ mode }) => {
      if (server.isSettling)
        throw new ConfigError('DISK_TROUBLE', 'operations from before the last checkpoint have not ended: mend the host’s storage first.');
      server.adoption.makeSure();
      try {
        return graphs.map((graph): DiskPointer => graph.prepare(mode));
      } catch (error) {
        each(graph => graph.letGo());
        throw error;
      }
    },
    switch: () => {
      for (const disk of server.disks) if (disk.backing.inCheckpoints) disk.switchTop();
    },
    seal: () =>
      new Waiting(() => {
        if (server.isSettling || graphs.some(graph => graph.awaitsSwitch)) {
          const { trouble } = server;
          if (trouble !== undefined) throw trouble;
          return false;
        }
        each(graph => graph.seal());
        return true;
      }),
    'let-go': () => each(graph => graph.letGo()),
    needs: ({ disks, mode }) => {
      each(graph => graph.need(undefined, mode));
      for (const needs of disks ?? []) named(needs.disk).need(needs, mode);
    },
    collected: () => new Waiting(() => graphs.every(graph => graph.isCollected)),
    hold: ({ hold }) => {
      if (hold) server.adoption.makeSure(); // the other world reads the descriptors
      each(graph => graph.hold(hold));
      if (!hold) server.adoption.takeBack();
    },
    branch: ({ disks }) => server.branch(disks.map(({ disk, layer }) => ({ graph: named(disk), state: layer }))),
    adopt: ({ drop }) => {
      server.adopt();
      if (drop) server.dropSubmitted();
    },
    settled: () => new Waiting(() => !server.adoption.isUndecided),
    release: () => server.release(),
    'open-medium': ({ disk, medium }) => drive(disk).offer(openMedium(medium)),
    'settle-medium': ({ disk, isTaken }) => {
      if (isTaken) return new Waiting(() => !drive(disk).isOffered);
      return drive(disk).withdraw();
    },
    finish: () => server.finish(),
  };
}
