/** Small JSON files of a disk folder, each whole or not there. */
import { ConfigError } from '../../errors/errors.ts';
import type { HostFiles } from '../../ports/host-files.ts';
import { folderOf } from '../paths.ts';
import { decodeUtf8, encodeUtf8 } from '../utf8.ts';

/** A disk whose base has ten thousand backing files of its own names them all. */
const MAX_BYTES = 4 << 20;
const UNFINISHED = '.new';

/** Of anybody's making: `bad` makes the error that says what it is not. */
export function readJson(files: HostFiles, path: string, bad: (problem: string) => ConfigError): unknown {
  using file = files.openRead(path);
  const size = file.size();
  if (size > MAX_BYTES) throw bad(`it has ${size} bytes, and can have ${MAX_BYTES}`);
  const bytes = new Uint8Array(size);
  file.read(bytes, 0);
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch {
    throw bad('it is not JSON');
  }
}

/** Whole or not at all, at once for everybody who looks, and durable. Throws ConfigError when nobody could read it again. */
export function writeJson(files: HostFiles, path: string, value: object): void {
  const bytes = encodeUtf8(`${JSON.stringify(value, undefined, 2)}\n`);
  if (bytes.length > MAX_BYTES)
    throw new ConfigError('TOO_LARGE', `${path} would have ${bytes.length} bytes, and can have ${MAX_BYTES}. Nothing was changed.`);
  files.remove(path + UNFINISHED);
  {
    using file = files.createExclusive(path + UNFINISHED);
    file.write(bytes, 0);
    file.sync();
  }
  files.rename(path + UNFINISHED, path);
  files.syncFolder(folderOf(path));
}
