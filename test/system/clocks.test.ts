/** A real Linux guest whose machine goes back, stands still or is a copy of another: what its clock, its kernel and its random numbers say. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Checkpoint } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import type { ConsoleProcess } from '../support/console-process.ts';
import { cairnDiskGuest, GuestShell } from '../support/guest-shell.ts';

const AWAY_SECONDS = 4;
const RTC = 'cat /sys/class/rtc/rtc0/since_epoch';
/** The kernel says it once for each change that it hears of. */
const FORKS = 'dmesg | grep -c "crng reseeded due to virtual machine fork"';
/** 32 bytes of the kernel's generator, and of the virtio device, of which Linux has some hundred in stock at any time. */
const DRAWS = 'head -c 32 /dev/urandom | md5sum; dd if=/dev/hwrng bs=32 count=32 2>/dev/null | tail -c 32 | md5sum';

let home: CairnHome;
let shell: GuestShell;
let taken: Checkpoint;
const hostSeconds = () => Date.now() / 1000;
const rtc = async (guest: GuestShell) => Number(await guest.run(RTC));
const forks = async (guest: GuestShell) => Number((await guest.attempt(FORKS)).output);
/** The host's time goes on by more than what clocks may differ by. */
async function beAway() {
  const until = hostSeconds() + AWAY_SECONDS;
  while (hostSeconds() < until) await new Promise(resolve => setTimeout(resolve, 100));
}
/** The shell of a guest that a command was going on in when its checkpoint was taken. */
function shellOf(machine: ConsoleProcess): GuestShell {
  machine.type('\n');
  return new GuestShell(machine);
}

beforeAll(async () => {
  home = new CairnHome();
  shell = await cairnDiskGuest(home, 'first', { memoryMiB: 128 });
  taken = await home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', 'first', '--title', 'here');
});
afterAll(() => home.dispose());

test('the guest has the devices, and was told of nothing yet', async () => {
  expect(await shell.run('cat /sys/class/misc/hw_random/rng_current')).toBe('virtio_rng.0\n');
  expect(await shell.run('cat /sys/bus/acpi/devices/CARN0001:00/hid; readlink /sys/bus/acpi/devices/CARN0001:00/driver')).toMatch(
    /^CARN0001\n.*vmgenid\n$/,
  );
  expect(await forks(shell)).toBe(0);
  expect(Math.abs((await rtc(shell)) - hostSeconds())).toBeLessThan(3);
});

test('after a revert, and after a pause, its battery-backed clock is right; each revert is a fork to its kernel', async () => {
  for (let reverts = 1; reverts <= 2; reverts++) {
    await beAway();
    await home.jsonMeanwhile('checkpoint', 'revert', 'first', taken.id);
    const before = hostSeconds();
    const shown = await rtc(shell);
    expect(shown).toBeGreaterThan(before - 2);
    expect(shown).toBeLessThan(hostSeconds() + 2);
    expect(await forks(shell)).toBe(1); // of this past, whatever it was told of in others
  }
  await home.jsonMeanwhile('vm', 'pause', 'first');
  await beAway();
  await home.jsonMeanwhile('vm', 'resume', 'first');
  expect(Math.abs((await rtc(shell)) - hostSeconds())).toBeLessThan(2);
  const systemTime = Number(await shell.run('hwclock -s; date +%s'));
  expect(Math.abs(systemTime - hostSeconds())).toBeLessThan(3);
});

test('machines from one checkpoint draw different numbers, from the kernel and from the device', async () => {
  const draws: string[] = [];
  for (const name of ['second', 'third']) {
    const machine = home.run('--name', name, '--from', taken.id);
    const clone = shellOf(machine);
    draws.push(...(await clone.run(DRAWS)).trim().split('\n'));
    expect(await forks(clone)).toBe(1);
    await machine.kill();
  }
  expect(draws).toHaveLength(4);
  expect(new Set(draws).size).toBe(4);
});

test('with --rtc virtual the clock goes on from where it was; with --no-rng there is no device', async () => {
  const guest = await cairnDiskGuest(home, 'virtual', { memoryMiB: 128, args: ['--rtc', 'virtual', '--no-rng'] });
  expect((await guest.attempt('cat /sys/class/misc/hw_random/rng_current')).output).not.toContain('virtio');
  const begun = hostSeconds();
  const shown = await rtc(guest);
  await home.jsonMeanwhile('vm', 'pause', 'virtual');
  await beAway();
  await home.jsonMeanwhile('vm', 'resume', 'virtual');
  const passed = hostSeconds() - begun;
  expect((await rtc(guest)) - shown).toBeLessThan(passed - AWAY_SECONDS + 2);
});
