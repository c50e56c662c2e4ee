/** The ACPI tables in the eyes of Intel's own compiler: disassembled and compiled again, with no error or warning. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { acpiTables, RSDP_ADDRESS } from '#engine/machine/acpi-tables.ts';

function tables(): [name: string, bytes: Uint8Array][] {
  const area = acpiTables();
  const view = new DataView(area.buffer);
  const at = (pointer: number) => view.getUint32(pointer, true) - RSDP_ADDRESS;
  const rsdt = at(16);
  const fadt = at(rsdt + 36);
  const cut = (offset: number) => area.subarray(offset, offset + view.getUint32(offset + 4, true));
  return [
    ['rsdt', cut(rsdt)],
    ['facp', cut(fadt)],
    ['hpet', cut(at(rsdt + 40))],
    ['facs', cut(at(fadt + 36))],
    ['dsdt', cut(at(fadt + 40))],
  ];
}

test('iasl takes every table and compiles what it took', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cairn-acpi-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const iasl = (...args: string[]) => execFileSync('iasl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  for (const [name, bytes] of tables()) {
    writeFileSync(path.join(folder, `${name}.dat`), bytes);
    iasl('-d', `${name}.dat`);
    const source = readFileSync(path.join(folder, `${name}.dsl`), 'utf8');
    expect(source, name).not.toMatch(/Incorrect checksum|Invalid|Error|Warning/i);
    expect(iasl('-vs', '-p', `${name}-again`, `${name}.dsl`), name).toMatch(/0 Errors, 0 Warnings/);
  }
  const dsdt = readFileSync(path.join(folder, 'dsdt.dsl'), 'utf8');
  expect(dsdt).toContain('Name (\\_S5');
  expect(dsdt).toMatch(/Scope \(\\_GPE\)\s*\{\s*Method \(_E05, 0, NotSerialized\)[^}]*Notify \(\\_SB\.VGEN, 0x80\)/);
  expect(dsdt).toMatch(/Method \(ADDR, 0, NotSerialized\)[^}]*Return \(Package \(0x02\)\s*\{\s*0x000E8028,\s*Zero/);
  expect(dsdt).toContain('"VM_Gen_Counter"');
  const routes = [...dsdt.matchAll(/0x00(\w\w)FFFF,\s*(\w+),\s*Zero,\s*0x0(\w)\s/g)].map(([, slot, pin, irq]) => `${slot} ${pin} ${irq}`);
  expect(routes.length).toBe(31 * 4);
  expect(routes).toEqual(expect.arrayContaining(['01 Zero 9', '01 One A', '03 Zero B', '04 Zero A', '05 Zero B', '1F 0x03 A']));
});
