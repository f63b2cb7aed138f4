/**
 * Access for viewers over HTTP: takes a place for the socket, asks whether it may play, and says a refusal as HTTP does.
 * Before it: the HTTP listener; after it: http/flv.ts.
 */
import type { Socket } from 'node:net';
import type { CloseReason, Protocol } from '@weir/contracts/events';
import type { StreamName } from '../rtmp/names.ts';
import { type Admission, callerOf, type Grant } from './access.ts';
import type { Refusal } from './check.ts';

/** A viewer's request. */
export interface GateRequest {
  name: StreamName;
  socket: Socket;
  protocol: Protocol;
  userAgent: string;
}

/** May this viewer in? Whoever is granted it must end the grant. */
export async function openGate(access: Admission, request: GateRequest): Promise<Grant | Refusal> {
  const { name, socket, protocol, userAgent } = request;
  const refusal = access.admit(socket);
  if (refusal) return refusal;
  return access.ask({ action: 'play', ...name, ...callerOf(socket, protocol, userAgent) });
}

const STATUS: Partial<Record<CloseReason, string>> = {
  'stream-not-found': '404 Not Found',
  'key-missing': '401 Unauthorized',
  'address-denied': '403 Forbidden',
  'key-wrong': '403 Forbidden',
  'signature-wrong': '403 Forbidden',
  'signature-expired': '403 Forbidden',
  'callback-denied': '403 Forbidden',
  'ip-limit': '429 Too Many Requests',
  'connect-rate': '429 Too Many Requests',
};

/** The HTTP status of a refusal. */
export function httpStatus(reason: CloseReason): string {
  return STATUS[reason] ?? '503 Service Unavailable';
}
