/** A saved state's schema: a name, a version, its fields, and how to come from each older version. */
import { StateError } from '../errors/errors.ts';
import { type Fields, type FieldsType, struct } from './field.ts';

/** Makes a state of version `n + 1` out of one of version `n`. Its input was written by an older Cairn and is still unchecked. */
export type Migration = (old: Readonly<Record<string, unknown>>) => Record<string, unknown>;

export interface StateDefinition<F extends Fields> {
  readonly name: string;
  readonly version: number;
  readonly fields: F;
  /** Checks a state of the current version: refuses missing, unknown and ill-typed fields (StateError). */
  parse(raw: unknown): FieldsType<F>;
  /** Checks a state of any version up to the current one, migrating it one step at a time. */
  parseVersion(version: number, raw: unknown): FieldsType<F>;
}

export type StateOf<D> = D extends StateDefinition<infer F> ? FieldsType<F> : never;

/** `migrations[n]` leads from version n to n + 1; every version from 1 on must have one. */
export function defineState<F extends Fields>(
  name: string,
  version: number,
  fields: F,
  migrations: Readonly<Record<number, Migration>> = {},
): StateDefinition<F> {
  const shape = struct(fields);
  return {
    name,
    version,
    fields,
    parse: raw => shape.parse(raw, name),
    parseVersion(from, raw) {
      if (!Number.isInteger(from) || from < 1) throw new StateError(`${name} has the version ${from}, which is none.`);
      if (from > version) {
        throw new StateError(
          `${name} was saved as version ${from} by a newer Cairn; this one knows versions up to ${version}. Update Cairn to read it.`,
        );
      }
      let state = raw;
      for (let at = from; at < version; at++) {
        const migrate = migrations[at];
        if (migrate === undefined) throw new StateError(`${name} cannot be brought from version ${at} to ${at + 1}.`);
        if (typeof state !== 'object' || state === null) throw new StateError(`${name} should be an object.`);
        state = migrate(state as Record<string, unknown>);
      }
      return shape.parse(state, name);
    },
  };
}
