/** The command line, checked. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { UsageError } from './exit-codes.ts';

export type Options = NonNullable<ParseArgsConfig['options']>;
export interface Arguments {
  /** The words that are no options. */
  readonly words: readonly string[];
  text(option: string): string | undefined;
  /** Of an option that may be given several times. */
  texts(option: string): readonly string[];
  flag(option: string): boolean;
  /** True: given; false: taken back as --no-OPTION; undefined: nothing was said. */
  choice(option: string): boolean | undefined;
}
/** What may be written besides. */
export interface Habits {
  /** --no-OPTION takes any option back that is given without a value. */
  readonly allowNegative?: boolean;
}

const EVERYWHERE = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const satisfies Options;

/** `words` names the words wanted; a name in brackets may be left out, one with dots comes once or more. */
export function readArguments(
  verb: string,
  argv: readonly string[],
  words: readonly string[],
  options: Options = {},
  habits: Habits = {},
): Arguments {
  const { values, positionals } = parse(verb, argv, options, habits);
  const required = words.filter(word => !word.startsWith('['));
  if (
    values['help'] !== true &&
    (positionals.length < required.length || (positionals.length > words.length && !words.at(-1)?.endsWith('...')))
  ) {
    throw new UsageError(`usage: cairn ${[verb, ...words].join(' ')} (\`cairn ${verb.split(' ')[0]} --help\` has examples)`);
  }
  return {
    words: positionals,
    text: option => (typeof values[option] === 'string' ? values[option] : undefined),
    texts: option => (Array.isArray(values[option]) ? (values[option] as string[]) : []),
    flag: option => values[option] === true,
    choice: option => (typeof values[option] === 'boolean' ? values[option] : undefined),
  };
}

function parse(
  verb: string,
  argv: readonly string[],
  options: Options,
  habits: Habits,
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({ args: [...argv], options: { ...options, ...EVERYWHERE }, allowPositionals: true, strict: true, ...habits });
  } catch (cause) {
    const why = (cause as Error).message.split('. ')[0]!.replace(/\s+/g, ' ');
    throw new UsageError(`${why}: see \`cairn ${verb.split(' ')[0]} --help\`.`, { cause });
  }
}

/** "512M", "2G", "1024" (MiB) → MiB. */
export function parseMemory(text: string, option = 'memory'): number {
  const match = /^(\d{1,9})([KMG]?)(?:i?B)?$/i.exec(text);
  if (!match) throw new UsageError(`--${option} ${text} is no size: write it as 512M or 2G.`);
  const number = Number(match[1]);
  const unit = match[2]!.toUpperCase();
  const mib = unit === 'G' ? number * 1024 : unit === 'K' ? number / 1024 : number;
  if (!Number.isInteger(mib)) throw new UsageError(`--${option} ${text} is not a whole number of MiB.`);
  return mib;
}

export function parseCount(text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${option} ${text} is no whole number.`);
  return Number(text);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** "10G", "512M", "65536" → bytes. */
export function parseBytes(what: string, text: string): number {
  const match = /^(\d{1,15})([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toUpperCase()]! : NaN;
  if (!Number.isSafeInteger(bytes)) throw new UsageError(`${what} ${text} is no size: write it as 10G, 512M, 64K or in bytes.`);
  return bytes;
}
