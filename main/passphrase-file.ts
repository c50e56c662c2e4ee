/** Where a passphrase comes from: a file, or standard input. Never the command line or the environment itself, which others can read. */
import { closeSync, openSync, readSync } from 'node:fs';
import { isatty } from 'node:tty';
import { CairnError, ConfigError } from '#engine/errors/errors.ts';
import { requireFile, storageError } from '#worker/node-files.ts';
import { passphrase } from './ipc/contract.ts';

/** 1024 characters of UTF-8. */
const LONGEST = 4096;
const STDIN = 0;
const LINE_FEED = 0x0a;
const RETRY_MS = 10;

/** The first line of the file, which may be a pipe that is waited for, or with `-` of standard input, where what follows is left for others. Throws ConfigError. */
export function readPassphrase(file: string): string {
  const from = file === '-' ? 'standard input' : file;
  const bytes = file === '-' ? lineOfStdin() : lineOfFile(file);
  const text = decode(bytes, from);
  const checked = passphrase.safeParse(text.endsWith('\r') ? text.slice(0, -1) : text);
  if (checked.success) return checked.data;
  throw new ConfigError('BAD_PASSPHRASE', `the first line of ${from} is no passphrase: ${checked.error.issues[0]!.message}.`);
}

/** That of the file which CAIRN_PASSPHRASE_FILE names; undefined when it is not set. */
export function passphraseOfEnvironment(env: NodeJS.ProcessEnv): string | undefined {
  const file = env['CAIRN_PASSPHRASE_FILE'];
  if (file === undefined || file === '') return undefined;
  requireFile(file); // the process may have VMs to run meanwhile
  return readPassphrase(file);
}

function lineOfFile(file: string): Uint8Array {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return lineOf(fd, file);
  } catch (cause) {
    throw cause instanceof CairnError ? cause : storageError(cause, file, 'read');
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function lineOfStdin(): Uint8Array {
  if (isatty(STDIN))
    throw new ConfigError(
      'BAD_PASSPHRASE',
      'a terminal would show the passphrase: write it to a file that only you can read, or pipe it in.',
    );
  return lineOf(STDIN, 'standard input');
}

/** Byte by byte, for the serial port of a VM may have the rest; no more than a passphrase can have, for a device may never end. */
function lineOf(fd: number, name: string): Uint8Array {
  const line: number[] = [];
  const byte = new Uint8Array(1);
  while (line.length <= LONGEST && readByte(fd, name, byte) && byte[0] !== LINE_FEED) line.push(byte[0]!);
  return Uint8Array.from(line);
}

/** False at the end. */
function readByte(fd: number, name: string, into: Uint8Array): boolean {
  for (;;) {
    try {
      return readSync(fd, into) === 1;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'EOF') return false;
      if (code !== 'EAGAIN') throw storageError(cause, name, 'read');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

function decode(bytes: Uint8Array, from: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw new ConfigError('BAD_PASSPHRASE', `the first line of ${from} is no passphrase: it is not UTF-8 text.`, { cause });
  }
}
