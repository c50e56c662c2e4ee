/** A snippet as a person reads it. */
import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import type { Snippet } from './snippet.ts';

const MODES = ['ring 0', 'ring 3', 'ring 3, 16 bits', 'virtual 8086'];
const NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];

export function describeSnippet(snippet: Snippet): string {
  const decoder = new Decoder(snippet.wide ? 32 : 16, Uint8Array.from(snippet.code), DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Nasm);
  decoder.ip = BigInt(snippet.base);
  const lines: string[] = [];
  while (decoder.canDecode) {
    const start = decoder.position;
    const instruction = decoder.decode();
    const bytes = Buffer.from(snippet.code.slice(start, decoder.position)).toString('hex');
    lines.push(`    ${bytes.padEnd(24)} ${formatter.format(instruction)}`);
    instruction.free();
  }
  formatter.free();
  decoder.free();
  const registers = NAMES.map((name, i) => `${name}=${snippet.registers[i]!.toString(16)}`).join(' ');
  const scratch = snippet.scratch.length === 0 ? '' : `\n    scratch ${Buffer.from(snippet.scratch).toString('hex')}`;
  return `${MODES[snippet.mode]} ${registers} eflags=${snippet.eflags.toString(16)}${scratch}\n${lines.join('\n')}`;
}
