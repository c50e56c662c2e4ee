/**
 * npm run bench many-checkpoints -- [counts=100,300,1000]: what verbs cost on a VM that has so many checkpoints. The guest touches another page at each tick of its timer, so
 * every checkpoint has pages of its own and points to those of the ones before; its disk has a layer for each.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostService } from '#main/host-service.ts';
import { TinyKernel, HLT, STI } from '#test/support/tiny-kernel.ts';

const NAME = 'many';
const NEXT_PAGE = 0x1f0000;
const counts = (process.argv.find(arg => arg.startsWith('counts='))?.slice(7) ?? '100,300,1000').split(',').map(Number);

const folder = mkdtempSync(join(tmpdir(), 'cairn-many-'));
const library = join(folder, 'library');
mkdirSync(library);
writeFileSync(join(folder, 'disk.img'), new Uint8Array(64 << 20));
writeFileSync(join(folder, 'kernel'), kernel());

let service = new HostService({ libraryPath: library, version: '0' });
let client = service.connect();
try {
  await client.request('vm.create', {
    name: NAME,
    config: {
      memoryMiB: 64,
      kernel: join(folder, 'kernel'),
      append: '',
      debugExit: false,
      noReboot: false,
      checkpointMode: 'chain',
      overwrite: false,
      disks: [
        {
          path: join(folder, 'disk.img'),
          format: 'raw',
          interface: 'virtio',
          media: 'disk',
          readonly: false,
          cache: 'writeback',
          writeBase: false,
        },
      ],
    },
  });
  await client.request('vm.start', { name: NAME });
  for (const count of counts) await measure(count);
} finally {
  await service.close();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(count: number): Promise<void> {
  const figures: Record<string, string> = {};
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    try {
      const result = await work();
      figures[what] = `${(performance.now() - start).toFixed(1)}`;
      return result;
    } catch (error) {
      figures[what] = `FAILED: ${(error as Error).message}`;
      return undefined as T;
    }
  };
  const request = client.request.bind(client);
  const have = (await request('checkpoint.list', { name: NAME })).length;
  const pauses: number[] = [];
  const totals: number[] = [];
  for (let n = have; n < count; n++) {
    const start = performance.now();
    const { pauseMs } = await request('checkpoint.take', { name: NAME, title: `number ${n}` });
    pauses.push(pauseMs);
    totals.push(performance.now() - start);
  }
  const last = (numbers: number[]) => median(numbers.slice(-20)).toFixed(2);
  figures['take'] = last(totals);
  figures['pause'] = last(pauses);
  const list = await timed('list', () => request('checkpoint.list', { name: NAME }));
  const [first, middle, newest] = [list[0]!.id, list[list.length >> 1]!.id, list.at(-1)!.id];
  await timed('show', () => request('checkpoint.show', { name: NAME, id: newest }));
  await timed('revert to the newest', () => request('checkpoint.revert', { name: NAME, id: newest }));
  await timed('revert to the first', () => request('checkpoint.revert', { name: NAME, id: first }));
  await timed('revert to the middle', () => request('checkpoint.revert', { name: NAME, id: middle }));
  await timed('revert to the newest again', () => request('checkpoint.revert', { name: NAME, id: newest }));
  await timed('delete one', () => request('checkpoint.delete', { name: NAME, ids: [middle], children: false, force: false }));
  await timed('stop', () => request('vm.stop', { name: NAME, how: 'plug' }));
  await timed('close', () => service.close());
  service = new HostService({ libraryPath: library, version: '0' });
  client = service.connect();
  await timed('vm list', () => client.request('vm.list', {}));
  await timed('open and show', () => client.request('checkpoint.show', { name: NAME, id: newest }));
  await timed('revert when off', () => client.request('checkpoint.revert', { name: NAME, id: newest }));
  await timed('linked clone', () => client.request('vm.clone', { name: NAME, checkpoint: newest, as: `linked-${count}`, full: false }));
  await timed('full clone', () => client.request('vm.clone', { name: NAME, checkpoint: newest, as: `full-${count}`, full: true }));
  await timed('repair', () => client.request('vm.repair', { name: NAME }));
  await timed('start', () => client.request('vm.start', { name: NAME }));
  figures['disk files'] = String(readdirSync(join(library, `${NAME}.cairn`, 'disks')).filter(name => name.endsWith('.qcow2')).length);
  figures['memory MiB'] = (process.memoryUsage().rss / 2 ** 20).toFixed(0);
  figures['descriptors'] = String(readdirSync('/proc/self/fd').length);
  console.log(`${count} checkpoints (ms):`);
  for (const [what, figure] of Object.entries(figures)) console.log(`  ${what.padEnd(28)} ${figure}`);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}

/** mov eax, [NEXT_PAGE]; inc dword [eax]; add dword [NEXT_PAGE], 4096 at every tick. */
function kernel(): Uint8Array {
  const pointer = [NEXT_PAGE & 0xff, (NEXT_PAGE >> 8) & 0xff, NEXT_PAGE >> 16, 0];
  const machine = new TinyKernel().store32(NEXT_PAGE, 0x200000).interrupts(0xfe);
  machine.handler(0x20, inner => inner.raw(0xa1, ...pointer, 0xff, 0x00, 0x81, 0x05, ...pointer, 0, 0x10, 0, 0));
  machine.out8(0x43, 0x34).out8(0x40, 0x9c, 0x2e).raw(STI);
  const loop = machine.here;
  return machine.raw(HLT).jumpTo(loop).image();
}
