/** Connections to the Cairn processes that own VMs of this library, one for each process, and their events. */
import { join } from 'node:path';
import { Catalog } from './catalog.ts';
import { readOwner } from './owner.ts';
import { decodeFrame, type Frame } from './ipc/frames.ts';
import type { EventName, Events } from './ipc/contract.ts';
import { RemoteHost, type RemoteAddress } from './remote-host.ts';

/** Events about one VM, as its owner tells them. */
const FORWARDED = [
  'vm.changed',
  'checkpoints.changed',
  'checkpoint.progress',
  'disk.progress',
  'notice',
] as const satisfies readonly EventName[];

export interface RemoteListener {
  event<E extends EventName>(name: E, payload: Events[E], socket: string): void;
  frame(frame: Frame, remote: RemoteHost): void | Promise<void>;
  gone(remote: RemoteHost, address: RemoteAddress): void;
}

export class RemoteOwners {
  /** By socket. */
  private readonly hosts = new Map<string, Promise<RemoteHost | undefined>>();
  private readonly listener: RemoteListener;

  constructor(listener: RemoteListener) {
    this.listener = listener;
  }

  /** The process that has the VM open and listens; undefined when there is none, or it was killed. Throws IpcError NO_ANSWER when it does not react. */
  async ownerOf(bundlePath: string): Promise<RemoteHost | undefined> {
    if (!Catalog.isHeld(join(bundlePath, 'catalog.db'))) return undefined; // whatever owner.json says
    const owner = readOwner(bundlePath);
    if (owner?.socket === undefined || owner.pid === process.pid) return undefined;
    const { socket, pid } = owner;
    const known = this.hosts.get(socket);
    if (known) return known;
    const opening = this.connect({ socket, pid });
    this.hosts.set(socket, opening);
    return opening;
  }

  async close(): Promise<void> {
    for (const host of this.hosts.values()) (await host.catch(() => undefined))?.close();
  }

  private async connect(address: RemoteAddress): Promise<RemoteHost | undefined> {
    let remote: RemoteHost | undefined;
    try {
      remote = await RemoteHost.connect(address);
      if (remote) this.watch(remote, address);
      return remote;
    } finally {
      if (!remote) this.hosts.delete(address.socket);
    }
  }

  private watch(remote: RemoteHost, address: RemoteAddress): void {
    const { socket } = address;
    for (const name of FORWARDED) remote.on(name, payload => this.listener.event(name, payload, socket));
    remote.onFrame(bytes => {
      const frame = decodeFrame(bytes);
      if (frame) return this.listener.frame(frame, remote);
    });
    void remote.closed.then(() => {
      this.hosts.delete(socket);
      this.listener.gone(remote, address);
    });
  }
}
