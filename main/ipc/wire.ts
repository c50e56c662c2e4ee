/**
 * How the contract crosses a message channel (WebSocket, MessagePort): a text message is one JSON document of this file, a binary
 * message is one console frame of frames.ts. Nothing else is valid, and what arrives is checked before it is believed.
 */
import { z } from 'zod';
import { requests, type EventName, type Events, type RequestName } from './contract.ts';

/** Larger messages from a client are refused unread: ten thousand checkpoints to be deleted, with the longest ids, are less than half of it. */
export const MAX_CLIENT_MESSAGE_BYTES = 1024 * 1024;

const requestName = z.enum(Object.keys(requests) as [RequestName, ...RequestName[]]);

/** client → host */
export const wireRequest = z.strictObject({ id: z.int().min(0).max(Number.MAX_SAFE_INTEGER), name: requestName, params: z.unknown() });
export type WireRequest = z.infer<typeof wireRequest>;

/** host → client */
export type WireMessage =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } }
  | { readonly [E in EventName]: { readonly event: E; readonly payload: Events[E] } }[EventName];
