// BT, BTS, BTR, BTC, BSF, BSR (SDM 2A). BT leaves all flags but CF alone; a bit scan sets ZF and, as QEMU, the rest from its source.
import { FLAG_CF, FLAG_ZF } from '../cpu/bits';
import { noteLogic, setFlagBits } from '../cpu/flags.as';
import { getReg, getRm, isMemory, modifyGet, modifyPut, putReg, readSized, sizeOf, writeSized, effectiveOffset } from '../cpu/operand.as';
import { OP_EA, OP_IMM } from '../cpu/op';
import { segLinear } from '../cpu/segmentation.as';
import { probeWrite } from '../cpu/access.as';

/** `k`: BT BTS BTR BTC. */
@inline function changed(k: u32, value: u32, mask: u32): u32 {
  return k == 1 ? value | mask : k == 2 ? value & ~mask : k == 3 ? value ^ mask : value;
}

export function bitTest(op: u32, k: u32, immediate: bool): void {
  const size = sizeOf(op);
  const bits: u32 = 8 << size;
  const index = immediate ? load<u32>(op, OP_IMM) : getReg(op);
  const mask: u32 = 1 << (index & (bits - 1));
  let value: u32;
  if (!isMemory(op)) {
    value = modifyGet(op, 0);
    if (k != 0) modifyPut(op, 0, changed(k, value, mask));
  } else {
    // A register's index reaches beyond the operand: a signed bit offset.
    let offset = effectiveOffset(op);
    if (!immediate) {
      const signed = size == 1 ? <i32><i16>index : <i32>index;
      offset += <u32>(signed >> (3 + size)) << size;
    }
    const bytes: u32 = 1 << size;
    const ea = <u32>load<u8>(op, OP_EA);
    const lin = ea == 0 ? offset : segLinear(ea - 1, offset, bytes, k != 0);
    if (k != 0) probeWrite(lin, bytes);
    value = readSized(size, lin);
    if (k != 0) writeSized(size, lin, changed(k, value, mask));
  }
  setFlagBits(FLAG_CF, value & mask ? FLAG_CF : 0);
}

export function bitScan(op: u32, reverse: bool): void {
  const value = getRm(op);
  noteLogic(0, value);
  if (value != 0) putReg(op, reverse ? 31 - clz<u32>(value) : ctz<u32>(value));
  setFlagBits(FLAG_ZF, value == 0 ? FLAG_ZF : 0);
}
