/** What a saved state is made of. A field checks a raw value (untrusted: it comes from a file) and returns it typed, or throws StateError with its path. */
import { StateError } from '../errors/errors.ts';

export interface Field<T> {
  /** What the field expects, as an error message says it. */
  readonly expects: string;
  /** Returns `raw` as T. `path` names the value in error messages. */
  parse(raw: unknown, path: string): T;
  /** May be left out of its struct. */
  readonly optional?: true;
}

export type FieldType<F> = F extends Field<infer T> ? T : never;

export type Fields = Readonly<Record<string, Field<unknown>>>;

type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends { readonly optional: true } ? K : never }[keyof F];

/** The plain object that `fields` describe. */
export type FieldsType<F extends Fields> = {
  -readonly [K in Exclude<keyof F, OptionalKeys<F>>]: FieldType<F[K]>;
} & {
  -readonly [K in OptionalKeys<F>]?: FieldType<F[K]>;
};

function show(raw: unknown): string {
  if (raw instanceof Uint8Array) return `${raw.length} bytes`;
  if (Array.isArray(raw)) return `a list of ${raw.length}`;
  if (raw === null) return 'null';
  if (typeof raw === 'object') return 'an object';
  return String(JSON.stringify(raw) ?? typeof raw).slice(0, 40);
}

function field<T>(expects: string, accepts: (raw: unknown) => raw is T): Field<T> {
  return {
    expects,
    parse(raw, path) {
      if (!accepts(raw)) throw new StateError(`${path} should be ${expects}, but is ${show(raw)}.`);
      return raw;
    },
  };
}

function integer(min: number, max: number): Field<number> {
  return field(
    `an integer from ${min} to ${max}`,
    (raw): raw is number => Number.isInteger(raw) && !Object.is(raw, -0) && (raw as number) >= min && (raw as number) <= max,
  );
}

export const u8 = integer(0, 0xff);
export const u16 = integer(0, 0xffff);
export const u32 = integer(0, 0xffff_ffff);
export const i32 = integer(-0x8000_0000, 0x7fff_ffff);
/** A count or a time in ns: exact in a float. */
export const u53 = integer(0, Number.MAX_SAFE_INTEGER);
export const f64 = field('a number', (raw): raw is number => typeof raw === 'number' && Number.isFinite(raw));
export const bool = field('true or false', (raw): raw is boolean => typeof raw === 'boolean');

/** An integer from `min` to `max`. */
export const range = integer;

/** Exactly `length` bytes. */
export function bytes(length: number): Field<Uint8Array> {
  return field(`${length} bytes`, (raw): raw is Uint8Array => raw instanceof Uint8Array && raw.length === length);
}

/** At most `max` bytes. */
export function bytesUpTo(max: number): Field<Uint8Array> {
  return field(`at most ${max} bytes`, (raw): raw is Uint8Array => raw instanceof Uint8Array && raw.length <= max);
}

/** A string of at most `maxLength` UTF-16 units. */
export function text(maxLength = 1024): Field<string> {
  return field(`a text of at most ${maxLength} characters`, (raw): raw is string => typeof raw === 'string' && raw.length <= maxLength);
}

/** One of a few strings. */
export function oneOf<const T extends string>(...values: readonly T[]): Field<T> {
  return field(values.map(value => `"${value}"`).join(' or '), (raw): raw is T => (values as readonly unknown[]).includes(raw));
}

/** At most `max` elements. */
export function list<T>(of: Field<T>, max: number): Field<T[]> {
  const expects = `a list of at most ${max}`;
  return {
    expects,
    parse(raw, path) {
      if (!Array.isArray(raw) || raw.length > max) throw new StateError(`${path} should be ${expects}, but is ${show(raw)}.`);
      return Array.from(raw, (element, index) => of.parse(element, `${path}[${index}]`));
    },
  };
}

/** A field that may be missing. */
export function optional<T>(of: Field<T>): Field<T> & { readonly optional: true } {
  return { expects: of.expects, parse: (raw, path) => of.parse(raw, path), optional: true };
}

/** Checked by its owner: for a device's state inside a machine's. */
export const anything: Field<unknown> = { expects: 'anything', parse: raw => raw };

/** Exactly `fields`: nothing missing, nothing more. */
export function struct<F extends Fields>(fields: F): Field<FieldsType<F>> {
  return {
    expects: 'an object',
    parse(raw, path) {
      if (
        typeof raw !== 'object' ||
        raw === null ||
        (Object.getPrototypeOf(raw) !== Object.prototype && Object.getPrototypeOf(raw) !== null)
      ) {
        throw new StateError(`${path} should be an object, but is ${show(raw)}.`);
      }
      for (const key of Object.keys(raw)) {
        if (!Object.hasOwn(fields, key)) throw new StateError(`${path}.${key} is not known.`);
      }
      const parsed: Record<string, unknown> = {};
      for (const [key, of] of Object.entries(fields)) {
        const value = Object.hasOwn(raw, key) ? (raw as Record<string, unknown>)[key] : undefined;
        if (value !== undefined) parsed[key] = of.parse(value, `${path}.${key}`);
        else if (of.optional !== true) throw new StateError(`${path}.${key} is missing.`);
      }
      return parsed as FieldsType<F>;
    },
  };
}
