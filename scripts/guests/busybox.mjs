// An initramfs with Debian's static busybox: the base of the demo VM and of the test guests.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { cpio, device, directory, file, link } from '../lib/cpio.mjs';

// the names of the applets as Debian's busybox-static 1.35 has them, but for those that make no sense in a RAM disk
const applets = `[ ash awk base64 basename bc cat chgrp chmod chown chroot clear cmp cp crc32 cttyhack cut date dc dd df diff dirname dmesg du echo ed
egrep env expr factor false find fold free grep gunzip gzip halt head hexdump hostname id ifconfig insmod kill killall last less linuxrc ln ls lsmod md5sum
mkdir mkfifo mknod mktemp modprobe more mount mv nc nice nohup od paste patch pgrep pidof ping poweroff printf ps pwd readlink reboot reset rm rmdir
route sed seq setsid sh sha1sum sha256sum sha512sum shuf sleep sort split stat strings stty switch_root sync sysctl tac tail tar tee test time timeout top touch
tr true tty umount uname uniq unlink uptime usleep vi watch wc wget which xargs xxd yes zcat`;

/** @param {{ init: string, entries?: object[], files?: [name: string, data: string | Uint8Array, mode?: number][] }} content `entries`: of cpio.mjs */
export function busyboxInitramfs(archive, { init, entries: more = [], files = [] }) {
  const program = path.join(archive.unpack('busybox-static'), 'bin/busybox');
  const known = new Set(appletsOf(program));
  const entries = [
    ...['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 't'].map(directory),
    device('dev/console', 5, 1),
    device('dev/null', 1, 3),
    file('bin/busybox', readFileSync(program)),
    ...applets
      .split(/\s+/)
      .filter(name => known.has(name))
      .map(name => link(`bin/${name}`, 'busybox')),
    file('init', init),
    ...more,
    ...files.map(([name, data, mode]) => file(name, data, mode)),
  ];
  return gzipSync(cpio(entries), { level: 6 });
}

/** Every applet of this busybox; read from the program itself, an i386 program may not run here. */
function appletsOf(program) {
  const text = readFileSync(program, 'latin1');
  const start = text.indexOf('[\0[[\0');
  return text.slice(start, text.indexOf('\0\0', start)).split('\0');
}
