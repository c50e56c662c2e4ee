/** Saved states as bytes: canonical CBOR (RFC 8949 section 4.2.1). One state has one encoding, so equal states have equal bytes. */
import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { StateError, messageOf } from '../errors/errors.ts';

/** Encodes plain data: numbers, booleans, strings, byte arrays, lists, objects; properties that are undefined are left out. */
export function encodeState(value: unknown): Uint8Array {
  return encode(value, { ...rfc8949EncodeOptions, ignoreUndefinedProperties: true });
}

/** Decodes bytes that nobody vouches for: no indefinite lengths, no tags, no NaN, no duplicate keys, nothing after the end. */
export function decodeState(raw: Uint8Array, what: string): unknown {
  try {
    return decode(raw, {
      strict: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowNaN: false,
      allowInfinity: false,
      allowBigInt: false,
    });
  } catch (cause) {
    throw new StateError(`${what} is not valid CBOR (${messageOf(cause)}).`, { cause });
  }
}
