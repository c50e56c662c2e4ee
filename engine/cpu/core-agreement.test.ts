import { expect, test } from 'vitest';
import { coreBytes } from '#test/support/core-module.ts';
import { CPU_BLOCK, POOL_BASE } from '../memory/layout.ts';
import { AGREEMENT_SECTION, coreAgreement } from './core-agreement.ts';
import { Cpu, type CpuHost } from './cpu.ts';

const host: CpuHost = {
  portIn: () => 0,
  portOut: () => {},
  mmioRead: () => 0,
  mmioWrite: () => {},
  acknowledgeInterrupt: () => 0,
  fpuError: () => {},
  poolExhausted: () => {},
};
const cpuOf = (bytes: Uint8Array<ArrayBuffer>) => {
  const memory = new WebAssembly.Memory({ initial: POOL_BASE / 0x1_0000, maximum: 65536, shared: true });
  return new Cpu(new WebAssembly.Module(bytes), memory, host);
};

test('the built core agrees with this program', () => {
  expect(cpuOf(coreBytes()).exports.init).toBeTypeOf('function');
});

test('a core that was built from other numbers, or says nothing of them, makes no CPU', () => {
  const bytes = coreBytes();
  const at = Buffer.from(bytes).lastIndexOf(AGREEMENT_SECTION + coreAgreement());
  expect(at).toBeGreaterThan(CPU_BLOCK);
  const changed = (offset: number) => bytes.map((byte, i) => (i === offset ? byte ^ 1 : byte));
  expect(() => cpuOf(changed(at + AGREEMENT_SECTION.length))).toThrow(/other sources.*npm run build/);
  expect(() => cpuOf(changed(at))).toThrow(/other sources.*npm run build/);
});
