/** Encryption of checkpoint files with a passphrase (docs/formats/checkpoint.md), from node:crypto. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes, scryptSync } from 'node:crypto';
import { CIPHER_OVERHEAD, KEY_PARAMETERS } from '#engine/checkpoint/format/layout.ts';
import type { FileCipher, Vault } from '#engine/checkpoint/ports.ts';

/** Key parameters: log2 of scrypt's N (1 byte), zeroes (7), salt of the passphrase (16), salt of the file (16), check (4). */
const COST_AT = 0;
const SALT_AT = 8;
const FILE_SALT_AT = 24;
const CHECK_AT = 40;
const SALT = 16;
/** scrypt with N = 2^15, r = 8, p = 1: 32 MiB and about a tenth of a second. A reader takes no more than 2^20 (1 GiB). */
const COST = 15;
const HIGHEST_COST = 20;

export class NodeVault implements Vault {
  private readonly passphrase: string;
  /** Keys of the passphrase by cost and salt: files of one VM share one, so that a chain costs one scrypt. */
  private readonly masters = new Map<string, Buffer>();
  private salt: Buffer | undefined;

  constructor(passphrase: string) {
    this.passphrase = passphrase.normalize('NFC');
  }

  create(): { parameters: Uint8Array; cipher: FileCipher } {
    this.salt ??= randomBytes(SALT);
    const parameters = Buffer.alloc(KEY_PARAMETERS);
    parameters[COST_AT] = COST;
    this.salt.copy(parameters, SALT_AT);
    randomBytes(SALT).copy(parameters, FILE_SALT_AT);
    const key = this.keyOf(parameters);
    checkOf(key).copy(parameters, CHECK_AT);
    return { parameters, cipher: new NodeCipher(key) };
  }

  open(parameters: Uint8Array): FileCipher | undefined {
    if (parameters[COST_AT]! < 1 || parameters[COST_AT]! > HIGHEST_COST) return undefined;
    const key = this.keyOf(parameters);
    if (!checkOf(key).equals(parameters.subarray(CHECK_AT))) return undefined;
    this.salt ??= Buffer.from(parameters.subarray(SALT_AT, SALT_AT + SALT));
    return new NodeCipher(key);
  }

  private keyOf(parameters: Uint8Array): Buffer {
    const salt = parameters.subarray(SALT_AT, SALT_AT + SALT);
    const N = 2 ** parameters[COST_AT]!;
    const name = `${N} ${Buffer.from(salt).toString('hex')}`;
    let master = this.masters.get(name);
    if (master === undefined) {
      master = scryptSync(this.passphrase, salt, 32, { N, r: 8, p: 1, maxmem: 1024 * N + 2 ** 20 });
      this.masters.set(name, master);
    }
    return createHmac('sha256', master)
      .update('file')
      .update(parameters.subarray(FILE_SALT_AT, FILE_SALT_AT + SALT))
      .digest();
  }
}

const checkOf = (key: Buffer): Buffer =>
  createHmac('sha256', key)
    .update('check')
    .digest()
    .subarray(0, KEY_PARAMETERS - CHECK_AT);

class NodeCipher implements FileCipher {
  private readonly pageKey: Buffer;
  private readonly tableKey: Buffer;

  constructor(key: Buffer) {
    this.pageKey = createHmac('sha256', key).update('pages').digest();
    this.tableKey = createHmac('sha256', key).update('tables').digest();
  }

  seal(bytes: Uint8Array, position: number): Uint8Array {
    const cipher = createCipheriv('aes-256-gcm', this.pageKey, nonceOf(position));
    return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  }

  unseal(bytes: Uint8Array, position: number): Uint8Array {
    if (bytes.length < CIPHER_OVERHEAD) throw new RangeError('it is too short');
    const decipher = createDecipheriv('aes-256-gcm', this.pageKey, nonceOf(position), { authTagLength: CIPHER_OVERHEAD });
    decipher.setAuthTag(bytes.subarray(-CIPHER_OVERHEAD));
    return Buffer.concat([decipher.update(bytes.subarray(0, -CIPHER_OVERHEAD)), decipher.final()]);
  }

  authenticate(parts: readonly Uint8Array[]): Uint8Array {
    const mac = createHmac('sha256', this.tableKey);
    for (const part of parts) mac.update(lengthOf(part)).update(part);
    return mac.digest();
  }
}

/** Each position of a file is written once, and each file has its own key: no nonce is used twice. */
function nonceOf(position: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(BigInt(position));
  return nonce;
}

function lengthOf({ length }: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(length));
  return bytes;
}
