/** cairn disk info|map|compare: what images hold. Nothing is written. */
import { layersOf, mapChain, type MappedExtent } from '#engine/disk/chain.ts';
import { firstDifference } from '#engine/disk/compare.ts';
import { diskInfo, type DiskInfo } from '#engine/disk/info.ts';
import { openDisk } from '#engine/disk/open.ts';
import { readArguments, type Options } from './args.ts';
import { backingPolicy, diskHost, formatOf, lockLayers, openForReading } from './disk-files.ts';
import { EXIT_DIFFERENT, EXIT_OK } from './exit-codes.ts';
import { LongWork } from './long-work.ts';
import { formatBytes, printJson, printLine, printTable } from './output.ts';

const FILE_OPTIONS: Options = { format: { type: 'string' }, allow: { type: 'string', multiple: true } };
const AT_ONCE = 64 << 20;

export async function infoVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('disk info', argv, ['FILE'], { ...FILE_OPTIONS, chain: { type: 'boolean' } });
  const path = args.words[0]!;
  const format = formatOf(path, args);
  const infos = [diskInfo(diskHost, path, format)];
  if (args.flag('chain')) {
    using disk = openDisk(diskHost, path, { format, writable: false, allow: backingPolicy(path, args) });
    for (const layer of layersOf(disk).slice(1)) infos.push(diskInfo(diskHost, layer.path, layer.format));
  }
  if (args.flag('json')) printJson(args.flag('chain') ? infos : infos[0]);
  else for (const info of infos) printInfo(info);
  return EXIT_OK;
}

function printInfo({ path, format, sizeBytes, fileBytes, clusterBytes, logReplayed, qcow2 }: DiskInfo): void {
  const marks = [
    qcow2?.lazyRefcounts && 'lazy reference counts',
    qcow2?.dirty && 'not closed properly',
    qcow2?.corrupt && 'damaged',
    logReplayed && 'not closed properly: its log was replayed in memory, the file is as it was',
  ];
  const lines: [string, string | undefined][] = [
    ['format', format === 'qcow2' ? `qcow2, version ${qcow2!.version}` : format],
    ['size', `${formatBytes(sizeBytes)} (${sizeBytes} bytes)`],
    ['file', formatBytes(fileBytes)],
    ['clusters', clusterBytes === undefined ? undefined : formatBytes(clusterBytes)],
    ['backing', qcow2?.backing && `${qcow2.backing.name} (${qcow2.backing.format ?? 'it does not say which format'})`],
    ['snapshots', qcow2?.internalSnapshots ? String(qcow2.internalSnapshots) : undefined],
    ['layer', qcow2?.layerId],
    ['parent', qcow2?.parentLayerId],
    ['marks', marks.filter(mark => typeof mark === 'string').join(', ') || undefined],
  ];
  printLine(path);
  for (const [key, value] of lines) if (value !== undefined) printLine(`  ${key.padEnd(10)}${value}`);
}

export async function mapVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('disk map', argv, ['FILE'], FILE_OPTIONS);
  using disk = openForReading(args.words[0]!, args);
  const layers = layersOf(disk);
  const extents = [...mapChain(disk)];
  const pathOf = ({ depth }: MappedExtent) => (depth === undefined ? undefined : layers[depth]!.path);
  if (args.flag('json')) printJson(extents.map(extent => ({ ...extent, path: pathOf(extent) })));
  else
    printTable(
      ['OFFSET', 'LENGTH', 'KIND', 'FILE'],
      extents.map(extent => [String(extent.offset), String(extent.length), extent.kind, pathOf(extent) ?? '']),
    );
  return EXIT_OK;
}

export async function compareVerb(argv: readonly string[]): Promise<number> {
  const options: Options = { ...FILE_OPTIONS, 'other-format': { type: 'string' } };
  const args = readArguments('disk compare', argv, ['FILE', 'OTHER'], options);
  const [path, otherPath] = args.words as [string, string];
  using one = openForReading(path, args);
  using other = openForReading(otherPath, args, 'other-format');
  using locks = new DisposableStack();
  locks.use(lockLayers(one, other));
  const totalBytes = Math.max(one.sizeBytes, other.sizeBytes);
  let position = 0;
  let found: number | undefined;
  const step = () => {
    found = firstDifference(one, other, position, position + AT_ONCE);
    position = Math.min(position + AT_ONCE, totalBytes);
    return found !== undefined || position >= totalBytes;
  };
  await new LongWork(`comparing ${path}`, args.flag('json')).run(step, () => ({ position, totalBytes }));
  if (args.flag('json')) printJson({ same: found === undefined, ...(found === undefined ? {} : { firstDifference: found }) });
  else if (found === undefined) printLine(`${path} and ${otherPath} read the same.`);
  else printLine(`${path} and ${otherPath} differ: first at byte ${found}.`);
  return found === undefined ? EXIT_OK : EXIT_DIFFERENT;
}
