/** Notices what other processes do to the library: VMs that come, go, or change hands. Looks, for file notifications differ too much between systems. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Library } from './library.ts';

const INTERVAL_MS = 1000;
const LOOKED_AT = ['vm.json', 'owner.json', 'catalog.db'];

export interface LibraryListener {
  changed(name: string): void;
  removed(name: string): void;
  /** VMs that are to be looked at again, whatever their files say. */
  unsettled(): readonly string[];
}

export class LibraryWatch {
  private readonly library: Library;
  private readonly listener: LibraryListener;
  private seen = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(library: Library, listener: LibraryListener) {
    this.library = library;
    this.listener = listener;
  }

  /** From now on; what is there already is no news. */
  start(): void {
    if (this.timer) return;
    try {
      this.seen = this.look();
    } catch {
      // Whoever asks for the list is told.
    }
    this.timer = setInterval(() => this.compare(), INTERVAL_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** At those VMs, whatever their files say. */
  lookAgain(isMeant: (name: string) => boolean): void {
    if (!this.timer) return;
    for (const name of this.seen.keys()) if (isMeant(name)) this.listener.changed(name);
  }

  private compare(): void {
    let now: Map<string, string>;
    try {
      now = this.look();
    } catch {
      return; // its disk may be away for a while: what runs here runs on, and nothing has been removed
    }
    const unsettled = new Set(this.listener.unsettled());
    for (const [name, marks] of now) if (this.seen.get(name) !== marks || unsettled.has(name)) this.listener.changed(name);
    for (const name of this.seen.keys()) if (!now.has(name)) this.listener.removed(name);
    this.seen = now;
  }

  private look(): Map<string, string> {
    return new Map(this.library.names().map(name => [name, LOOKED_AT.map(file => mark(join(this.library.bundlePath(name), file))).join()]));
  }
}

function mark(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.mtimeMs}:${stat.size}` : '-';
}
