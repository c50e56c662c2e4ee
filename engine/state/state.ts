/** Saved states: schemas, checks, migrations. Devices import this file. */
export { defineState, type Migration, type StateDefinition, type StateOf } from './define-state.ts';
export {
  anything,
  bool,
  bytes,
  bytesUpTo,
  f64,
  i32,
  list,
  oneOf,
  optional,
  range,
  struct,
  text,
  u16,
  u32,
  u53,
  u8,
  type Field,
  type Fields,
  type FieldType,
  type FieldsType,
} from './field.ts';
export { decodeState, encodeState } from './cbor.ts';
