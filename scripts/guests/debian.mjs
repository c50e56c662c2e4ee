// A whole Debian 12 for i386 in an ext4 file: systemd, udev, a compiler. It boots with the kernel and the initramfs of the guest "disk"
// ("system=/dev/vda" on the kernel's command line), so it carries no kernel of its own. Needs root, as debootstrap does.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cacheDir, output, run, SetupError } from '../lib/host.mjs';

const PACKAGES = ['systemd-sysv', 'udev', 'procps', 'tcc', 'libc6-dev'];
const SIZE = '512M';
/** Nobody reads them in a guest of the tests: a third of what is installed. */
const UNREAD = ['usr/share/doc', 'usr/share/locale', 'usr/share/man', 'usr/share/info', 'var/lib/apt/lists', 'var/cache/apt'];
/** No timers that start work of their own in the middle of a test, no search for hardware (a minute of an emulated CPU), no logins. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
].concat([
  'systemd-tmpfiles-clean.timer',
  'systemd-udev-trigger.service',
  'serial-getty@ttyS0.service',
  'getty@tty1.service',
  'getty-static.service',
]);

const text = name => readFileSync(new URL(name, import.meta.url), 'utf8');

function install(root, archive) {
  const cache = path.join(cacheDir(), 'debootstrap');
  mkdirSync(cache, { recursive: true });
  const options = ['--arch=i386', '--variant=minbase', `--cache-dir=${cache}`, `--include=${PACKAGES.join(',')}`];
  try {
    output('debootstrap', [...options, 'bookworm', root, archive.mirror()]);
  } catch (error) {
    throw new SetupError(
      `debootstrap could not make the Debian guest (${String(error.stdout ?? error.message)
        .trim()
        .split('\n')
        .at(-1)}).`,
    );
  }
}

/** Lua's source as Debian has it, with the checksums of what comes out of it. */
function addSource(root, archive) {
  const folder = path.dirname(archive.source('lua5.4'));
  const tar = readdirSync(folder).find(name => /^lua5\.4_.*\.orig\.tar\.gz$/.test(name));
  const target = path.join(root, 'usr/src/lua.tar.gz');
  copyFileSync(path.join(folder, tar), target);
  const unpacked = mkdtempSync(path.join(os.tmpdir(), 'cairn-lua-'));
  output('tar', ['xzf', target, '-C', unpacked]);
  writeFileSync(path.join(root, 'usr/src/lua.sha256'), output('sh', ['-c', 'find . -type f | sort | xargs sha256sum'], { cwd: unpacked }));
  rmSync(unpacked, { recursive: true });
}

function configure(root) {
  const write = (name, data, mode = 0o644) => writeFileSync(path.join(root, name), data, { mode });
  const units = path.join(root, 'etc/systemd/system');
  write('etc/hostname', 'guest\n');
  write('etc/fstab', '');
  write('root/.profile', "PS1='$PWD # '\nstty sane\n");
  write('usr/local/bin/soak-work', text('soak-work.sh'), 0o755);
  write('etc/systemd/system/serial-shell.service', text('serial-shell.service'));
  mkdirSync(path.join(units, 'multi-user.target.wants'), { recursive: true });
  symlinkSync('../serial-shell.service', path.join(units, 'multi-user.target.wants/serial-shell.service'));
  for (const name of MASKED) symlinkSync('/dev/null', path.join(units, name));
  for (const name of UNREAD) rmSync(path.join(root, name), { recursive: true, force: true });
}

export function makeDebian(folder, { i386, sources }) {
  if (process.getuid?.() !== 0) throw new SetupError('The guest "debian" can only be made by root: debootstrap changes into its folder.');
  const root = path.join(folder, 'root');
  install(root, i386);
  addSource(root, sources);
  configure(root);
  run('mke2fs', ['-q', '-t', 'ext4', '-L', 'root', '-d', root, '-E', 'root_owner=0:0', path.join(folder, 'root.ext4'), SIZE]);
  rmSync(root, { recursive: true });
}
