// Picks kernel modules out of an unpacked Debian kernel package with all that they need, in an order in which insmod takes them: what each
// needs stands in its own .modinfo section, as NUL-ended "depends=a,b" and "softdep=pre: c".
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { SetupError } from '../lib/host.mjs';

const canonical = name => name.replaceAll('-', '_');

/** File name of every module under `folder` by the module's name. */
function modulesUnder(folder) {
  const files = readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.ko'));
  return new Map(files.map(name => [canonical(path.basename(name, '.ko')), path.join(folder, name)]));
}

/** The modules that `data`, a module's file, has to find loaded. */
function neededBy(data) {
  const text = data.toString('latin1');
  const values = key => [...text.matchAll(new RegExp(`\\0${key}=([^\\0]*)\\0`, 'g'))].map(match => match[1]);
  const soft = values('softdep').flatMap(value => /pre: ([^:]*?)(?: post:|$)/.exec(value)?.[1].split(' ') ?? []);
  return [...values('depends').flatMap(value => value.split(',')), ...soft].filter(name => name !== '').map(canonical);
}

/** A module without the signature at its end: the kernel takes it with a word on the console, and need not hash it all to start. */
function unsigned(data) {
  const magic = '~Module signature appended~\n';
  if (data.subarray(-magic.length).toString('latin1') !== magic) return data;
  const description = data.length - magic.length - 12; // struct module_signature, the signature's length at its end, before it the signature
  return data.subarray(0, description - data.readUInt32BE(description + 8));
}

/**
 * Pairs of [name, file data], each after all that it needs. A soft dependency that the kernel has built in has no file and is passed over;
 * throws SetupError for a wanted module that isn't there.
 */
export function modulesInOrder(kernelPackage, wanted) {
  const known = modulesUnder(path.join(kernelPackage, 'lib/modules'));
  const done = new Map();
  const add = name => {
    if (done.has(name) || !known.has(name)) return;
    const data = unsigned(readFileSync(known.get(name)));
    done.set(name, undefined); // a soft dependency may lead back here
    for (const needed of neededBy(data)) add(needed);
    done.delete(name);
    done.set(name, data);
  };
  for (const name of wanted) {
    if (!known.has(name)) throw new SetupError(`Debian's kernel package has no module ${name}.`);
    add(name);
  }
  return [...done];
}
