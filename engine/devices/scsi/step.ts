/** What is to be done for a command after its CDB was decoded. The unit only decides; a transport (ATAPI, virtio-scsi) moves the data and tells the end. */
import type { DriveRequest } from '../drive.ts';
import type { Sense } from './sense.ts';

export type ScsiStep =
  /** Ended with the status GOOD. */
  | { readonly kind: 'good' }
  /** Ended with the status CHECK CONDITION. */
  | { readonly kind: 'check'; readonly sense: Sense }
  /** Parameter data for the initiator, cut to its allocation length; then GOOD. */
  | { readonly kind: 'data-in'; readonly bytes: Uint8Array }
  /** A parameter list of `length` bytes is to come: ScsiUnit.parameters() takes it. */
  | { readonly kind: 'data-out'; readonly length: number }
  /** Bytes of the medium. `durable`: a flush follows before the command ends. */
  | { readonly kind: 'read'; readonly offset: number; readonly length: number }
  | { readonly kind: 'write'; readonly offset: number; readonly length: number; readonly durable: boolean }
  /** Requests without data, to be submitted together; then a flush if `durable`. */
  | { readonly kind: 'requests'; readonly requests: readonly DriveRequest[]; readonly durable: boolean };

export const GOOD: ScsiStep = { kind: 'good' };
export const check = (sense: Sense): ScsiStep => ({ kind: 'check', sense });
export const dataIn = (bytes: Uint8Array, allocationLength: number): ScsiStep => {
  const cut = bytes.subarray(0, allocationLength);
  return cut.length === 0 ? GOOD : { kind: 'data-in', bytes: cut };
};

/** The status byte (SAM-5 § 5.3.1). */
export const Status = { Good: 0x00, CheckCondition: 0x02 } as const;
