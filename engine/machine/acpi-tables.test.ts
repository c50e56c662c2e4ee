import { expect, test } from 'vitest';
import { acpiTables, RSDP_ADDRESS } from './acpi-tables.ts';
import { device, eisaId, name, integer, scope } from './aml.ts';

const area = acpiTables();
const view = new DataView(area.buffer);
const at = (address: number) => address - RSDP_ADDRESS;
const sum = (offset: number, length: number) => area.subarray(offset, offset + length).reduce((total, byte) => (total + byte) & 0xff, 0);
const signature = (offset: number) => String.fromCharCode(...area.subarray(offset, offset + 4));

test('RSDP leads to RSDT, FADT, HPET, FACS and DSDT, and every checksum holds', () => {
  expect(String.fromCharCode(...area.subarray(0, 8))).toBe('RSD PTR ');
  expect(sum(0, 20)).toBe(0);
  const rsdt = at(view.getUint32(16, true));
  const fadt = at(view.getUint32(rsdt + 36, true));
  const hpet = at(view.getUint32(rsdt + 40, true));
  const facs = at(view.getUint32(fadt + 36, true));
  const dsdt = at(view.getUint32(fadt + 40, true));
  expect([rsdt, fadt, hpet, facs, dsdt].map(signature)).toEqual(['RSDT', 'FACP', 'HPET', 'FACS', 'DSDT']);
  for (const table of [rsdt, fadt, hpet, dsdt]) expect(sum(table, view.getUint32(table + 4, true))).toBe(0);
  expect((RSDP_ADDRESS + facs) % 64).toBe(0);
});

test('the FADT gives each register block twice, alike', () => {
  const fadt = at(view.getUint32(at(view.getUint32(16, true)) + 36, true));
  for (const [port, generic] of [
    [56, 148],
    [64, 172],
    [76, 208],
    [80, 220],
  ] as const) {
    expect(view.getUint32(fadt + generic + 4, true)).toBe(view.getUint32(fadt + port, true));
    expect(area[fadt + generic]).toBe(1);
  }
});

test('AML encodings', () => {
  expect(eisaId('PNP0A03')).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  expect(name('_UID', integer(0))).toEqual([0x08, 0x5f, 0x55, 0x49, 0x44, 0x00]);
  expect(scope('\\_SB', name('A', integer(300))).slice(0, 3)).toEqual([0x10, 0x0e, 0x5c]);
  const long = device('DEV', ...Array.from({ length: 20 }, () => name('X', integer(1))));
  const bodyLength = long.length - 2; // PkgLength counts itself and what follows
  expect(long.slice(2, 4)).toEqual([0x40 | (bodyLength & 15), bodyLength >> 4]);
});
