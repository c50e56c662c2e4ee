/**
 * What users do to VMs, with the command and behind its back: folders are renamed, moved away with a link in their place, and copied; files are cut, damaged and removed; all against a model of what
 * must be there afterwards. CAIRN_USER_ACTIONS=N tries N sequences; a failing one is shortened and printed.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HostService } from './host-service.ts';
import { vmConfig, type HostClient } from './ipc/contract.ts';

const SEQUENCES = Number(process.env['CAIRN_USER_ACTIONS'] ?? 40);
const LONGEST = 24;

interface Saved {
  title: string;
  /** As it was taken: what its file says. */
  readonly titleInFile: string;
  parent: string | null;
  isWhole: boolean;
}
interface Vm {
  readonly checkpoints: Map<string, Saved>;
  current: string | null;
}

/** The library, and what must be in it. */
class World {
  readonly home = mkdtempSync(join(tmpdir(), 'cairn-user-'));
  readonly library = join(this.home, 'library');
  readonly vms = new Map<string, Vm>();
  service!: HostService;
  client!: HostClient;
  private made = 0;

  constructor() {
    mkdirSync(this.library);
    mkdirSync(join(this.home, 'elsewhere'));
    this.start();
  }

  start(): void {
    this.service = new HostService({ libraryPath: this.library, version: '0' });
    this.client = this.service.connect();
  }

  async restart(): Promise<void> {
    await this.service.close();
    this.start();
  }

  newName(): string {
    return `vm${this.made++}`;
  }

  path(name: string, ...inside: string[]): string {
    return join(this.library, `${name}.cairn`, ...inside);
  }

  async dispose(): Promise<void> {
    await this.service.close();
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** What is listed is what the model has. */
async function check({ client, vms }: World, after: string): Promise<void> {
  const listed = await client.request('vm.list', {});
  expect(listed.map(({ name }) => name).toSorted(), after).toEqual([...vms.keys()].toSorted());
  for (const [name, vm] of vms) {
    const checkpoints = await client.request('checkpoint.list', { name });
    const seen = Object.fromEntries(checkpoints.map(({ id, title, parent }) => [id, { title, parent }]));
    const wanted = Object.fromEntries([...vm.checkpoints].map(([id, { title, parent }]) => [id, { title, parent }]));
    expect(seen, `${after}: ${name}`).toEqual(wanted);
    const { current } = await client.request('vm.show', { name });
    expect(current ?? null, `${after}: where ${name} stands`).toBe(vm.current);
  }
}

function forget(vm: Vm, id: string): void {
  const { parent } = vm.checkpoints.get(id)!;
  vm.checkpoints.delete(id);
  for (const other of vm.checkpoints.values()) if (other.parent === id) other.parent = parent;
  if (vm.current === id) vm.current = parent;
}

const copyOf = ({ checkpoints, current }: Vm): Vm => ({
  checkpoints: new Map([...checkpoints].map(([id, saved]) => [id, { ...saved }])),
  current,
});

/** Of one VM, and one of its checkpoints if it has any. */
type Action = (world: World, name: string, vm: Vm, id: string | undefined) => Promise<void> | void;

const config = vmConfig.parse({ memoryMiB: 4, append: '', debugExit: false, noReboot: false, disks: [] });

const ACTIONS: Readonly<Record<string, Action>> = {
  async take({ client }, name, vm) {
    const { id, title } = await client.request('checkpoint.take', { name, title: `of ${name}` });
    vm.checkpoints.set(id, { title, titleInFile: title, parent: vm.current, isWhole: true });
    vm.current = id;
  },
  async 'take another'(world, name, vm, id) {
    await ACTIONS['take']!(world, name, vm, id);
  },
  async delete({ client }, name, vm, id) {
    if (id === undefined) return;
    await client.request('checkpoint.delete', { name, ids: [id], children: false, force: true });
    forget(vm, id);
  },
  async revert({ client }, name, vm, id) {
    if (id === undefined) return;
    const going = client.request('checkpoint.revert', { name, id });
    if (vm.checkpoints.get(id)!.isWhole) {
      await going;
      vm.current = id;
    } else await expect(going, `${name} to ${id}`).rejects.toThrow('has not gone back');
  },
  async retitle({ client }, name, vm, id) {
    if (id === undefined) return;
    vm.checkpoints.get(id)!.title = 'mine';
    await client.request('checkpoint.rename', { name, id, title: 'mine' });
  },
  async clone(world, name, vm, id) {
    if (id === undefined || !vm.checkpoints.get(id)!.isWhole) return;
    const as = world.newName();
    const { titleInFile } = vm.checkpoints.get(id)!;
    await world.client.request('vm.clone', { name, checkpoint: id, as, full: true });
    world.vms.set(as, { checkpoints: new Map([[id, { title: titleInFile, titleInFile, parent: null, isWhole: true }]]), current: id });
  },
  async 'delete the VM'(world, name) {
    await world.client.request('vm.delete', { name });
    world.vms.delete(name);
  },
  async create(world) {
    const name = world.newName();
    await world.client.request('vm.create', { name, config });
    world.vms.set(name, { checkpoints: new Map(), current: null });
  },
  'rename the folder'(world, name, vm) {
    const as = world.newName();
    renameSync(world.path(name), world.path(as));
    world.vms.delete(name);
    world.vms.set(as, vm);
  },
  'move it away and leave a link'(world, name) {
    const real = realpathSync(world.path(name));
    const target = join(world.home, 'elsewhere', world.newName());
    renameSync(real, target);
    rmSync(world.path(name), { force: true });
    symlinkSync(target, world.path(name));
  },
  'copy the folder'(world, name, vm) {
    const as = world.newName();
    cpSync(realpathSync(world.path(name)), world.path(as), { recursive: true });
    world.vms.set(as, copyOf(vm));
  },
  'link to it once more'(world, name) {
    symlinkSync(realpathSync(world.path(name)), world.path(`zz-${world.newName()}`)); // names in the library come first
  },
  'cut a checkpoint file'(world, name, vm, id) {
    if (id === undefined) return;
    truncateSync(world.path(name, 'checkpoints', `${id}.ckpt`), 100);
    vm.checkpoints.get(id)!.isWhole = false;
  },
  'remove a checkpoint file'(world, name, vm, id) {
    if (id === undefined) return;
    unlinkSync(world.path(name, 'checkpoints', `${id}.ckpt`));
    forget(vm, id);
  },
  'damage the catalogue'(world, name, vm) {
    if ([...vm.checkpoints.values()].some(({ isWhole }) => !isWhole)) return; // what is in no file but it would be lost
    const file = world.path(name, 'catalog.db');
    if (!existsSync(file)) return;
    const bytes = readFileSync(file);
    bytes[47]! ^= 0xff;
    writeFileSync(file, bytes);
  },
  'leave a file half-written'(world, name, _vm, id) {
    if (id !== undefined)
      copyFileSync(world.path(name, 'checkpoints', `${id}.ckpt`), world.path(name, 'checkpoints', 'aaaaaaaaaaaaaaaa.ckpt.part'));
    writeFileSync(world.path(name, 'state.json.tmp'), '{');
  },
  restart: world => world.restart(),
  async 'check and repair'({ client }, name, vm) {
    if ([...vm.checkpoints.values()].every(({ isWhole }) => isWhole)) await client.request('vm.repair', { name });
  },
};

const step = fc.record({ action: fc.constantFrom(...Object.keys(ACTIONS)), vm: fc.nat(99), checkpoint: fc.nat(99) });

test(
  'whatever is done to a library, what is listed is what is there',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: LONGEST }), async steps => {
        const world = new World();
        try {
          await ACTIONS['create']!(world, '', undefined as never, undefined);
          for (const { action, vm: which, checkpoint } of steps) {
            if (world.vms.size === 0) await ACTIONS['create']!(world, '', undefined as never, undefined);
            const [name, vm] = [...world.vms][which % world.vms.size]!;
            const ids = [...vm.checkpoints.keys()];
            await ACTIONS[action]!(world, name, vm, ids[checkpoint % Math.max(1, ids.length)]);
            await check(world, `${action} (${name})`);
          }
        } finally {
          await world.dispose();
        }
      }),
      { numRuns: SEQUENCES, ...(process.env['CAIRN_USER_SEED'] === undefined ? {} : { seed: Number(process.env['CAIRN_USER_SEED']) }) },
    );
  },
  600_000 + SEQUENCES * 10_000,
);
