/**
 * A guest of a few dozen instructions, as a Multiboot 1 file (Multiboot 0.6.96, section 3.1.1, with address fields): it says "ready" on COM1 and then
 * obeys single letters. Small enough to start in milliseconds, real enough to run on the real machine.
 *
 *   + counts up in memory and says the new count as a letter (A, B…)   q  ACPI power off     d  debug exit with value 3 (code 7)
 *   = says the count without changing it                              r  reset by port CF9h  h  HLT with interrupts off
 *   anything else: sends it back
 */
const BASE = 0x10_0000;
const HEADER_SIZE = 32;
const COUNT = 0x20_0000;

const enc = (text: string) => [...new TextEncoder().encode(text)];
const le32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

/** Bytes with labels: a string starting with ":" defines one, ">name" is its 32-bit distance, "@name" its address. */
type Code = (number | string)[];

function assemble(code: Code, base: number): Uint8Array {
  const size = (item: number | string) => (typeof item === 'number' ? 1 : item.startsWith(':') ? 0 : 4);
  const labels = new Map<string, number>();
  let at = base;
  for (const item of code) {
    if (typeof item === 'string' && item.startsWith(':')) labels.set(item.slice(1), at);
    at += size(item);
  }
  at = base;
  return Uint8Array.from(
    code.flatMap(item => {
      at += size(item);
      if (typeof item === 'number') return [item];
      if (item.startsWith(':')) return [];
      const target = labels.get(item.slice(1))!;
      return le32(item.startsWith('>') ? target - at : target);
    }),
  );
}

const when = (letter: string, label: string): Code => [0x3c, ...enc(letter), 0x0f, 0x84, `>${label}`]; // CMP AL, letter; JE label
const SAY = [0xe8, '>say'] as Code; // CALL say: AL to COM1
const AGAIN = [0xe9, '>loop'] as Code; // JMP loop

const program: Code = [
  0xfa, // CLI
  0xbc,
  ...le32(0x9_0000), // MOV ESP, 90000h
  0xbe,
  '@ready', // MOV ESI, ready
  ':next',
  0xac,
  0x84,
  0xc0,
  0x0f,
  0x84,
  '>loop',
  ...SAY,
  0xe9,
  '>next', // LODSB; TEST AL, AL; JZ loop; say; JMP next
  ':loop',
  0x66,
  0xba,
  0xfd,
  0x03,
  0xec,
  0xa8,
  0x01,
  0x0f,
  0x84,
  '>loop', // MOV DX, 3FDh; IN AL, DX; TEST AL, 1; JZ loop
  0x66,
  0xba,
  0xf8,
  0x03,
  0xec, // MOV DX, 3F8h; IN AL, DX
  ...when('+', 'count'),
  ...when('=', 'tell'),
  ...when('q', 'off'),
  ...when('d', 'debug'),
  ...when('r', 'reset'),
  ...when('h', 'halt'),
  ...SAY,
  ...AGAIN,
  ':count',
  0xff,
  0x05,
  ...le32(COUNT), // INC DWORD [COUNT]
  ':tell',
  0xa1,
  ...le32(COUNT),
  0x04,
  0x40,
  ...SAY,
  ...AGAIN, // MOV EAX, [COUNT]; ADD AL, "@"
  ':off',
  0x66,
  0xba,
  0x04,
  0x06,
  0x66,
  0xb8,
  0x00,
  0x34,
  0x66,
  0xef,
  ...AGAIN, // MOV DX, 604h; MOV AX, SLP_EN | 5 << 10; OUT DX, AX
  ':debug',
  0xb0,
  0x03,
  0xe6,
  0xf4,
  ...AGAIN, // MOV AL, 3; OUT F4h, AL
  ':reset',
  0x66,
  0xba,
  0xf9,
  0x0c,
  0xb0,
  0x06,
  0xee,
  ...AGAIN, // MOV DX, CF9h; MOV AL, 6; OUT DX, AL
  ':halt',
  0xf4,
  0xe9,
  '>halt', // HLT; JMP halt
  ':say',
  0x50,
  0x66,
  0xba,
  0xfd,
  0x03, // PUSH EAX; MOV DX, 3FDh
  ':full',
  0xec,
  0xa8,
  0x20,
  0x0f,
  0x84,
  '>full', // IN AL, DX; TEST AL, 20h; JZ full
  0x58,
  0x66,
  0xba,
  0xf8,
  0x03,
  0xee,
  0xc3, // POP EAX; MOV DX, 3F8h; OUT DX, AL; RET
  ':ready',
  ...enc('ready\n'),
  0,
];

/** A whole Multiboot 1 file. */
export function echoGuest(): Uint8Array {
  const code = assemble(program, BASE + HEADER_SIZE);
  const magic = 0x1bad_b002;
  const flags = 0x1_0000;
  const end = BASE + HEADER_SIZE + code.length;
  const header = [magic, flags, -(magic + flags) >>> 0, BASE, BASE, end, end, BASE + HEADER_SIZE].flatMap(le32);
  return Uint8Array.from([...header, ...code]);
}
