import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { echoGuest } from '#test/support/echo-guest.ts';
import { smallConfig } from '#test/support/vm-config.ts';
import { readBootFiles } from './boot-files.ts';

let folder: string;
let kernel: string;
let initrd: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-boot-'));
  [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
  writeFileSync(kernel, echoGuest());
  writeFileSync(initrd, 'initrd');
});
afterEach(() => rmSync(folder, { recursive: true }));

const mebibytesSoFar = () => process.resourceUsage().maxRSS / 1024;

test('a kernel and an initrd are read whole', async () => {
  const boot = await readBootFiles({ ...smallConfig, kernel, initrd });
  expect(boot).toMatchObject({ kind: 'multiboot', kernel: echoGuest() });
  const [module] = boot.kind === 'multiboot' ? boot.modules : [];
  expect(Buffer.from(module!.contents).toString()).toBe('initrd');
});

test("a Multiboot kernel's command line begins with its name, and a module's with its own", async () => {
  const spaced = join(folder, 'my kernel.elf');
  writeFileSync(spaced, echoGuest());
  const boot = await readBootFiles({ ...smallConfig, kernel: spaced, initrd, append: 'a=b  c' });
  expect(boot).toMatchObject({ commandLine: 'my_kernel.elf a=b  c', modules: [{ commandLine: 'initrd' }] });
  expect(await readBootFiles({ ...smallConfig, kernel, append: '' })).toMatchObject({ commandLine: 'kernel' });
});

test('an initrd that has no room in the VM is refused by its size', async () => {
  truncateSync(initrd, 2 ** 31);
  const before = mebibytesSoFar();
  await expect(readBootFiles({ ...smallConfig, kernel, initrd })).rejects.toMatchObject({ code: 'TOO_LITTLE_MEMORY' });
  expect(mebibytesSoFar() - before).toBeLessThan(1024);
});

test('what is no kernel is refused by its beginning', async () => {
  writeFileSync(kernel, 'no kernel');
  truncateSync(kernel, 2 ** 31);
  const before = mebibytesSoFar();
  await expect(readBootFiles({ ...smallConfig, memoryMiB: 3072, kernel })).rejects.toMatchObject({ code: 'NOT_A_KERNEL' });
  expect(mebibytesSoFar() - before).toBeLessThan(1024);
});

test.each(['kernel', 'initrd'] as const)('a %s that is no file, or is not there, is named', async what => {
  const given = { ...smallConfig, kernel, initrd };
  await expect(readBootFiles({ ...given, [what]: '/dev/zero' })).rejects.toMatchObject({
    code: 'NOT_A_FILE',
    message: `the ${what} /dev/zero cannot be opened: it is a device, not a regular file.`,
  });
  await expect(readBootFiles({ ...given, [what]: folder })).rejects.toMatchObject({ code: 'NOT_A_FILE' });
  await expect(readBootFiles({ ...given, [what]: join(folder, 'none') })).rejects.toMatchObject({
    code: 'NO_SUCH_FILE',
    message: `the ${what} ${join(folder, 'none')} does not exist.`,
  });
});
