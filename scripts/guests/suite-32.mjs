// Builds suite-32: 43 programs from Debian's source packages of QEMU (tests/tcg/i386) and Valgrind (none/tests/x86), with what each prints on
// this machine's own CPU. Needs gcc -m32, dpkg-dev and perl.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DebianArchive } from '../lib/debian.mjs';
import { SetupError } from '../lib/host.mjs';
import { busyboxInitramfs } from './busybox.mjs';

const FROM_QEMU = [
  'f2xm1',
  'fbstp',
  'fisttp',
  'fldcst',
  'fp-exceptions',
  'fpatan',
  'fscale',
  'fxam',
  'fxtract',
  'fyl2x',
  'fyl2xp1',
  'pseudo-denormal',
  'snan-convert',
];
const STATIC = ['-m32', '-static', '-w', '-fno-pie', '-no-pie', '-Wl,-z,execstack'];
const WANTED_PROGRAMS = 43;

const compiles = (args, options) => spawnSync('gcc', args, { stdio: 'ignore', ...options }).status === 0;

function buildQemuPrograms(source, out) {
  const tests = path.join(source, 'tests/tcg/i386');
  const at = name => path.join(tests, name);
  compiles([
    ...STATIC,
    '-O2',
    '-o',
    path.join(out, 'test-i386'),
    at('test-i386.c'),
    at('test-i386-code16.S'),
    at('test-i386-vm86.S'),
    '-lm',
  ]);
  for (const name of FROM_QEMU) compiles([...STATIC, '-O2', '-o', path.join(out, `qt-${name}`), at(`test-i386-${name}.c`), '-lm']);
  compiles([
    ...STATIC,
    '-O2',
    '-msse4.1',
    '-mfpmath=sse',
    '-o',
    path.join(out, 'qt-sse-exceptions'),
    at('test-i386-sse-exceptions.c'),
    '-lm',
  ]);
}

function buildValgrindPrograms(source, out) {
  const tests = path.join(source, 'none/tests');
  const x86 = path.join(tests, 'x86');
  for (const file of readdirSync(x86).filter(name => name.endsWith('.vgtest'))) {
    if (/^prereq/m.test(readFileSync(path.join(x86, file), 'utf8'))) continue; // needs a CPU feature beyond the baseline
    const name = path.basename(file, '.vgtest');
    let program = path.join(x86, `${name}.c`);
    const definition = path.join(x86, `${name}.def`);
    if (existsSync(definition)) {
      const generated = spawnSync('perl', [path.join(x86, 'gen_insn_test.pl')], { input: readFileSync(definition), maxBuffer: 1 << 26 });
      program = path.join(out, `${name}.c`);
      writeFileSync(program, generated.stdout);
    }
    if (!existsSync(program)) continue;
    const includes = [tests, source, path.join(source, 'include')].map(folder => `-I${folder}`);
    compiles([...STATIC, '-O', '-mmmx', '-msse2', ...includes, '-o', path.join(out, `vg-${name}`), program, '-lm']);
    rmSync(path.join(out, `${name}.c`), { force: true });
  }
}

/** What `program` prints and answers on this machine's CPU; undefined where the CPU can't run it. */
function answerOf(program) {
  const result = spawnSync('sh', ['-c', 'ulimit -c 0; exec "$0" 2>&1 </dev/null', program], { timeout: 60_000, maxBuffer: 1 << 28 });
  if (result.signal === 'SIGILL' || result.signal === 'SIGSEGV') return undefined;
  const hash = createHash('sha256').update(result.stdout).digest('hex').slice(0, 16);
  return `${path.basename(program)} ${result.status ?? 128} ${hash} ${result.stdout.toString('latin1').split('\n').length - 1}`;
}

export function makeSuite32(folder) {
  const i386 = new DebianArchive('i386');
  const host = new DebianArchive('amd64');
  const out = path.join(folder, 'programs');
  mkdirSync(out);
  buildQemuPrograms(host.source('qemu'), out);
  buildValgrindPrograms(host.source('valgrind'), out);
  const answers = new Map();
  for (const name of readdirSync(out).sort()) {
    const answer = answerOf(path.join(out, name));
    if (answer) answers.set(name, answer);
  }
  if (answers.size < WANTED_PROGRAMS)
    throw new SetupError(`Only ${answers.size} of the ${WANTED_PROGRAMS} programs of suite-32 could be built: is gcc-multilib installed?`);
  writeFileSync(path.join(folder, 'suite.want'), [...answers.values(), ''].join('\n'));
  const files = [
    ['t/commands', [...answers.keys(), ''].join('\n'), 0o644],
    ...[...answers.keys()].map(name => [`t/${name}`, readFileSync(path.join(out, name))]),
  ];
  const init = readFileSync(new URL('commands-init.sh', import.meta.url), 'utf8');
  writeFileSync(path.join(folder, 'initrd.gz'), busyboxInitramfs(i386, { init, files }));
}
