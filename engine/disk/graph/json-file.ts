/** Small JSON files of a disk folder, each whole or not there. */
import type { ConfigError } from '../../errors/errors.ts';
import type { HostFiles } from '../../ports/host-files.ts';
import { folderOf } from '../paths.ts';
import { decodeUtf8, encodeUtf8 } from '../utf8.ts';

const MAX_BYTES = 256 * 1024;
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

/** Whole or not at all, at once for everybody who looks, and durable. */
export function writeJson(files: HostFiles, path: string, value: object): void {
  files.remove(path + UNFINISHED);
  {
    using file = files.createExclusive(path + UNFINISHED);
    file.write(encodeUtf8(`${JSON.stringify(value, undefined, 2)}\n`), 0);
    file.sync();
  }
  files.rename(path + UNFINISHED, path);
  files.syncFolder(folderOf(path));
}
