// Debian packages of any architecture, downloaded and unpacked without touching the host's own package state:
// a private apt with the host's sources and keys, under the cache folder. Needs no root.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheDir, has, output, SetupError } from './host.mjs';

const errorText = error =>
  String(error.stderr ?? error.message)
    .trim()
    .split('\n')
    .at(-1);

/** The host's apt sources, in deb822 form, with source packages added. */
function sources() {
  const found = [];
  const folder = '/etc/apt/sources.list.d';
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const text = readFileSync(path.join(folder, name), 'utf8');
    if (name.endsWith('.sources') && text.includes('debian-archive-keyring'))
      found.push([name, text.replace(/^Types:.*$/gm, 'Types: deb deb-src')]);
  }
  if (existsSync('/etc/apt/sources.list')) {
    const lines = readFileSync('/etc/apt/sources.list', 'utf8')
      .split('\n')
      .filter(line => line.startsWith('deb '));
    if (lines.length > 0) found.push(['main.list', lines.flatMap(line => [line, line.replace(/^deb /, 'deb-src ')]).join('\n') + '\n']);
  }
  return found;
}

/** A private apt for one architecture ("i386"). */
export class DebianArchive {
  #folder;
  #env;

  constructor(architecture) {
    if (!has('apt-get') || !has('dpkg-deb'))
      throw new SetupError('This host has no apt: the demo VM and the test guests are made from Debian packages.');
    const folder = (this.#folder = path.join(cacheDir(), 'apt', architecture));
    this.#env = { ...process.env, APT_CONFIG: path.join(folder, 'apt.conf') };
    const stamp = path.join(folder, 'updated');
    if (existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < 24 * 3600_000) return;
    for (const name of ['state/lists/partial', 'cache/archives/partial', 'sources', 'debs', 'src'])
      mkdirSync(path.join(folder, name), { recursive: true });
    const list = sources();
    if (list.length === 0) throw new SetupError('No Debian sources were found in /etc/apt: the guests are made from Debian packages.');
    for (const [name, text] of list) writeFileSync(path.join(folder, 'sources', name), text);
    writeFileSync(path.join(folder, 'state/status'), '');
    writeFileSync(
      path.join(folder, 'apt.conf'),
      `APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Sandbox::User "";
Dir::State "${folder}/state";
Dir::State::status "${folder}/state/status";
Dir::Cache "${folder}/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "${folder}/sources";
Acquire::Languages "none";
Acquire::Retries "3";
`,
    );
    // One index of several may be in the middle of a mirror's update: what matters is whether the packages can be had.
    const update = spawnSync('apt-get', ['update'], { encoding: 'utf8', env: this.#env });
    if (!readdirSync(path.join(folder, 'state/lists')).some(name => name.endsWith('_Packages') || name.endsWith('_Packages.lz4'))) {
      throw new SetupError(`Debian's package lists could not be fetched (${update.stderr.trim().split('\n').at(-1)}).`);
    }
    if (update.status !== 0) return; // asked again next time
    writeFileSync(stamp, '');
  }

  /** The address of the archive that the host's own apt uses. */
  mirror() {
    const found = sources()
      .flatMap(([, text]) => [...text.matchAll(/^(?:URIs:|deb) *(?:\[[^\]]*\] *)?(\S+)/gm)])
      .map(match => match[1])
      .find(address => !address.includes('security'));
    if (!found) throw new SetupError('No archive of Debian was found in /etc/apt.');
    return found;
  }

  /** The first dependency of `metapackage` whose name starts with `prefix`. */
  dependency(metapackage, prefix) {
    const text = output('apt-cache', ['depends', metapackage], { env: this.#env });
    const match = text
      .split('\n')
      .map(line => /^ *Depends: (\S+)/.exec(line)?.[1])
      .find(name => name?.startsWith(prefix));
    if (!match) throw new SetupError(`Debian's ${metapackage} names no ${prefix}… package.`);
    return match;
  }

  /** Downloads `name` and unpacks it (none of its scripts run) into a folder, which it answers. */
  unpack(name) {
    const target = path.join(this.#folder, 'unpacked', name);
    if (existsSync(path.join(target, '.complete'))) return target;
    const debs = path.join(this.#folder, 'debs');
    try {
      output('apt-get', ['download', name], { cwd: debs, env: this.#env });
    } catch (error) {
      throw new SetupError(`Debian's package ${name} could not be downloaded (${errorText(error)}).`);
    }
    const file = readdirSync(debs)
      .filter(entry => entry.startsWith(`${name}_`))
      .sort((a, b) => statSync(path.join(debs, b)).mtimeMs - statSync(path.join(debs, a)).mtimeMs)[0];
    mkdirSync(target, { recursive: true });
    output('dpkg-deb', ['-x', path.join(debs, file), target]);
    writeFileSync(path.join(target, '.complete'), '');
    return target;
  }

  /** Downloads and unpacks the source package `name`; answers its folder. Needs dpkg-dev. */
  source(name) {
    const folder = path.join(this.#folder, 'src');
    const target = path.join(folder, name);
    if (existsSync(path.join(target, '.complete'))) return target;
    try {
      output('apt-get', ['source', '--download-only', '--only-source', name], { cwd: folder, env: this.#env });
      const description = readdirSync(folder).find(entry => entry.startsWith(`${name}_`) && entry.endsWith('.dsc'));
      output('rm', ['-rf', target]);
      output('dpkg-source', ['--no-check', '-x', description, target], { cwd: folder });
    } catch (error) {
      throw new SetupError(`Debian's source package ${name} could not be fetched (${errorText(error)}).`);
    }
    writeFileSync(path.join(target, '.complete'), '');
    return target;
  }
}
