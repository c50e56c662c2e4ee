/**
 * Binary console frames, little-endian: u8 kind, u8 channel, u16 handle, then the payload.
 *
 *   kind  direction      payload
 *   1     host → client  serial output bytes (channel 0 or 1)
 *   2     host → client  text screen: u8 columns, u8 rows, u16 cursor cell (ffff = off), then
 *                        the changed rows, none or more: { u8 row, columns × (u8 character, u8 attribute) }
 *   3     client → host  serial input bytes (channel 0 or 1)
 *   4     client → host  PS/2 set-1 scan code bytes
 *   5     client → host  one credit: the client has drawn the last screen frame and can take another
 */
export const FRAME_SERIAL_OUT = 1;
export const FRAME_TEXT_SCREEN = 2;
export const FRAME_SERIAL_IN = 3;
export const FRAME_SCANCODES = 4;
export const FRAME_CREDIT = 5;
export const FRAME_HEADER_SIZE = 4;

export interface Frame {
  readonly kind: number;
  readonly channel: number;
  readonly handle: number;
  readonly payload: Uint8Array;
}

export function encodeFrame(kind: number, channel: number, handle: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_SIZE + payload.length);
  frame[0] = kind;
  frame[1] = channel;
  frame[2] = handle & 0xff;
  frame[3] = handle >> 8;
  frame.set(payload, FRAME_HEADER_SIZE);
  return frame;
}

/** Undefined when shorter than a header: untrusted input. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const [kind, channel, low, high] = bytes;
  if (kind === undefined || channel === undefined || low === undefined || high === undefined) return undefined;
  return { kind, channel, handle: low | (high << 8), payload: bytes.subarray(FRAME_HEADER_SIZE) };
}
