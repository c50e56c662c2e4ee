/** Makes a volume of a file or device that has its size already: an empty directory, then, when that is on the disk, the header that makes it one. */
import { InvariantError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import type { Codec } from '../ports.ts';
import { areaAt, encodeArea } from './area.ts';
import { EMPTY, encodeDirectory } from './directory.ts';
import { encodeHeader, geometryFor, type Header } from './header.ts';
import { AREAS, HEADER_SIZE, SECTOR } from './layout.ts';

/** `uuid`: 16 random bytes. What was on it is lost. There is a geometry for `sizeBytes`. Throws StorageError. */
export function makeVolume(device: HostFile, sizeBytes: number, uuid: Uint8Array, checksum: Codec['checksum']): Header {
  const geometry = geometryFor(sizeBytes);
  if (geometry === undefined) throw new InvariantError(`${sizeBytes} bytes are too few for a volume`);
  const header = { ...geometry, uuid };
  const area = encodeArea(header, 1, encodeDirectory(EMPTY), checksum);
  if (area === undefined) throw new InvariantError('an empty directory is too large');
  device.write(new Uint8Array(SECTOR), 0);
  for (let i = 0; i < AREAS; i++) device.write(i === 0 ? area : new Uint8Array(SECTOR), areaAt(header, i));
  device.sync();
  const first = new Uint8Array(SECTOR);
  first.set(encodeHeader(header, checksum).subarray(0, HEADER_SIZE));
  device.write(first, 0);
  device.sync();
  return header;
}
