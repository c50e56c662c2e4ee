/**
 * The x87 FPU of a Pentium Pro: escape opcodes D8…DF and WAIT (Intel SDM volume 1, chapter 8; volume 2, appendix B.17).
 * Files: float80* compute on numbers, x87-stack holds registers and exceptions, x87-memory and x87-register are the instructions.
 */
import { CPU_BLOCK } from '../memory/layout';
import { CR0, FPU_SW } from '../cpu/block';
import { raise } from '../cpu/fault.as';
import { ES, setRaised } from './float80.as';
import { reportPending } from './x87-error.as';
import { arithmetic } from './x87-arithmetic.as';
import { executeMemory } from './x87-memory.as';
import { noteOperand, notePointers } from './x87-pointers.as';
import { executeRegister } from './x87-register.as';

const CR0_MP: u32 = 0x02;
const CR0_EM: u32 = 0x04;
const CR0_TS: u32 = 0x08;
const VECTOR_NM = 7;

export { ferr } from './x87-error.as';

/** What comes before anything the operand may raise: #NM, and the report of an earlier instruction's exception. */
@inline export function checkAvailable(esc: u32): void {
  if ((load<u32>(CPU_BLOCK + CR0) & (CR0_EM | CR0_TS)) != 0) raise(VECTOR_NM);
  if ((load<u32>(CPU_BLOCK + FPU_SW) & ES) != 0 && waits(esc)) reportPending();
}

/**
 * One escape instruction. `esc` = (opcode & 7) << 8 | modrm; with a memory operand `lin` is its linear address, `selector` and `offset`
 * its logical one; `wide` is a 32-bit operand size (it matters to FSTENV and its like).
 */
export function x87(esc: u32, lin: u32, selector: u32, offset: u32, wide: bool): void {
  checkAvailable(esc);
  setRaised(0);
  // The commonest first: register arithmetic, D8, DC and DE but their compares.
  if ((esc & 0x1c0) == 0xc0 && (esc & 0x30) != 0x10 && (esc & 0x600) != 0x200) {
    const i = esc & 7;
    arithmetic((esc >> 3) & 7, i, (esc & 0x400) != 0 ? i : 0, (esc & 0x200) != 0);
    notePointers(esc);
  } else execute(esc, lin, selector, offset, wide);
}

function execute(esc: u32, lin: u32, selector: u32, offset: u32, wide: bool): void {
  if ((esc & 0xc0) == 0xc0) {
    if (executeRegister(esc)) notePointers(esc);
  } else if (executeMemory(esc >> 8, (esc >> 3) & 7, lin, wide)) {
    notePointers(esc);
    noteOperand(selector, offset);
  }
}

/** WAIT (9B). */
export function fwait(): void {
  if ((load<u32>(CPU_BLOCK + CR0) & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) raise(VECTOR_NM);
  reportPending();
}

/** All but FNSTENV, FNSTCW, FNSAVE, FNSTSW, FNCLEX, FNINIT and the no-operations beside them. */
function waits(esc: u32): bool {
  if ((esc & 0xc0) == 0xc0) return !((esc & 0x7f8) == 0x3e0 || esc == 0x7e0);
  const group = esc >> 8;
  return !((group == 1 || group == 5) && ((esc >> 3) & 7) >= 6);
}
