/** Connections to the Cairn processes that own VMs of this library, one for each process, and their events. */
import { readOwner } from './owner.ts';
import { decodeFrame, type Frame } from './ipc/frames.ts';
import type { EventName, Events } from './ipc/contract.ts';
import { RemoteHost } from './remote-host.ts';

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
  gone(remote: RemoteHost): void;
}

export class RemoteOwners {
  private readonly hosts = new Map<string, Promise<RemoteHost | undefined>>();
  private readonly listener: RemoteListener;

  constructor(listener: RemoteListener) {
    this.listener = listener;
  }

  /** The process that has the VM open and listens; undefined when there is none, or it was killed. */
  async ownerOf(bundlePath: string): Promise<RemoteHost | undefined> {
    const owner = readOwner(bundlePath);
    if (owner?.socket === undefined || owner.pid === process.pid) return undefined;
    const { socket } = owner;
    const known = this.hosts.get(socket);
    if (known) return known;
    const opening = RemoteHost.connect(socket);
    this.hosts.set(socket, opening);
    const remote = await opening;
    if (remote) this.watch(remote, socket);
    else this.hosts.delete(socket);
    return remote;
  }

  async close(): Promise<void> {
    for (const host of this.hosts.values()) (await host)?.close();
  }

  private watch(remote: RemoteHost, socket: string): void {
    for (const name of FORWARDED) remote.on(name, payload => this.listener.event(name, payload, socket));
    remote.onFrame(bytes => {
      const frame = decodeFrame(bytes);
      if (frame) return this.listener.frame(frame, remote);
    });
    void remote.closed.then(() => {
      this.hosts.delete(socket);
      this.listener.gone(remote);
    });
  }
}
