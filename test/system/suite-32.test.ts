/** 43 instruction-test programs from Debian's sources of QEMU and Valgrind, run in our Linux guest, against a real CPU's answers. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CairnHome } from '../support/cairn.ts';
import { demo, guestFile } from '../support/guests.ts';

/** Programs whose answer may differ from that of the machine that built them, and why. Everything else must agree. */
const EXPLAINED: Record<string, string> = {
  'test-i386': 'shld/shrd of 16-bit operands with counts over 16 are undefined, and one fpus line',
  'vg-bswapw': 'BSWAP of a 16-bit register is undefined',
  'vg-cmpxchg8b': 'prints flags that depend on where the stack lies',
  'vg-x87trigOOR': 'fsin and fcos of operands beyond 2^63',
  'qt-sse-exceptions': 'wants SSE4.1, which CPUID does not claim',
};

test('agrees with a real CPU on every program that has one answer', async () => {
  const home = new CairnHome();
  try {
    const vm = home.run(
      '--name',
      'suite',
      '--memory',
      '512M',
      '--kernel',
      demo.kernel(),
      '--initrd',
      guestFile('suite-32', 'initrd.gz'),
      '--append',
      'console=ttyS0 quiet',
    );
    await vm.waitFor(/SUITE-END/);
    const got = new Map([...vm.text.matchAll(/^RESULT (\S+) (\d+) (\w+) (\d+)/gm)].map(match => [match[1], match.slice(2).join(' ')]));
    const want = readFileSync(guestFile('suite-32', 'suite.want'), 'utf8')
      .trim()
      .split('\n')
      .map(line => line.split(' '));
    const differing = want.filter(([name, ...answer]) => got.get(name) !== answer.join(' ')).map(([name]) => name!);
    console.log(
      `suite-32: ${want.length - differing.length} of ${want.length} like a real CPU; differing: ${differing.join(' ') || 'none'}`,
    );
    expect(want.length).toBe(43);
    expect(differing.filter(name => !(name in EXPLAINED))).toEqual([]);
  } finally {
    await home.dispose();
  }
});
