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
    throw new UsageError(`${refusal(cause as Refused)}: see \`cairn ${verb.split(' ')[0]} --help\`.`, { cause });
  }
}

type Refused = Error & { readonly code?: string };

/** What Node refuses, in our words. Its own name the option first, in quotes. */
function refusal({ code, message }: Refused): string {
  const option = /'(?:-\w, )?(--?[^' =]*)/.exec(message)?.[1] ?? '';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `there is no option ${option}`;
  if (/does not take an argument/.test(message)) return `${option} takes no value`;
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE')
    return `${option} needs a value (one that begins with a dash is written ${option}=VALUE)`;
  return 'the words cannot be understood';
}

export function parseCount(text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${option} ${text} is no whole number.`);
  return Number(text);
}

const UNITS: Readonly<Record<string, bigint>> = { K: 2n ** 10n, M: 2n ** 20n, G: 2n ** 30n, T: 2n ** 40n };
const MIB = 2 ** 20;
const EXAMPLES = 'write it as 512M, 2G or 1.5G';

/** "512M", "1.5G", "1,5 GiB", "1024" (MiB) → MiB. `what`: the option or word, as the user knows it. Throws UsageError. */
export function parseMemory(what: string, text: string): number {
  const mib = parseSize(what, text, UNITS['M']!, EXAMPLES) / MIB;
  if (!Number.isInteger(mib)) throw new UsageError(`${what} ${text} is not a whole number of MiB.`);
  return mib;
}

/** "10G", "0.5T", "1,5G", "65536" → bytes. Throws UsageError. */
export const parseBytes = (what: string, text: string): number => parseSize(what, text, 1n, `${EXAMPLES}, or in bytes`);

/** `plain`: the bytes of a number without a unit. After a comma three digits may be thousands, or a fraction: that is not guessed. */
function parseSize(what: string, text: string, plain: bigint, examples: string): number {
  const [, whole, mark, fraction = '', letter, b] = /^(\d{1,15})(?:([.,])(\d{1,9}))?\s?(?:([KMGT])(?:i?B)?|(B))?$/i.exec(text) ?? [];
  if (whole === undefined || (mark === ',' && fraction.length === 3)) throw new UsageError(`${what} ${text} is no size: ${examples}.`);
  const unit = letter !== undefined ? UNITS[letter.toUpperCase()]! : b !== undefined ? 1n : plain;
  const scaled = BigInt(whole + fraction) * unit;
  const parts = 10n ** BigInt(fraction.length);
  if (scaled % parts !== 0n) throw new UsageError(`${what} ${text} is not a whole number of bytes: write it in a smaller unit.`);
  const bytes = Number(scaled / parts);
  if (!Number.isSafeInteger(bytes)) throw new UsageError(`${what} ${text} is too large.`);
  return bytes;
}
