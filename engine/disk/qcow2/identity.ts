/** The layer's identity in a header extension of our own (docs/formats/disk-images.md): 16 bytes of id, 16 bytes of the parent's. */
import { EXTENSION, type Extension } from './format.ts';

/** Ids are 32 hexadecimal digits. */
export interface Identity {
  readonly id: string;
  /** undefined: there is no parent. */
  readonly parentId: string | undefined;
}

const ID_BYTES = 16;

export const idBytes = (id: string) => Uint8Array.from({ length: ID_BYTES }, (_, i) => parseInt(id.slice(i * 2, i * 2 + 2), 16));

const hex = (bytes: Uint8Array) => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');

const isIdentity = ({ type, data }: Extension) => type === EXTENSION.identity && data.length === 2 * ID_BYTES;

export function identityOf(extensions: readonly Extension[]): Identity | undefined {
  const data = extensions.find(isIdentity)?.data;
  if (data === undefined) return undefined;
  const parent = data.subarray(ID_BYTES);
  return { id: hex(data.subarray(0, ID_BYTES)), parentId: parent.some(byte => byte !== 0) ? hex(parent) : undefined };
}

export function withIdentity(extensions: readonly Extension[], { id, parentId }: Identity): Extension[] {
  const data = new Uint8Array(2 * ID_BYTES);
  data.set(idBytes(id));
  if (parentId !== undefined) data.set(idBytes(parentId), ID_BYTES);
  return [...extensions.filter(extension => !isIdentity(extension)), { type: EXTENSION.identity, data }];
}
