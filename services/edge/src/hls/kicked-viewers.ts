/**
 * Viewers of HLS that an operator kicked: they have no connection that could be cut and would come back with their next
 * request. Before it: the viewers of a stream; after it: the route, which refuses them for a minute.
 */
import type { IncomingMessage } from 'node:http';

const KEPT_OUT_MS = 60_000;
/** Entries at most; the one kicked first is forgotten beyond. */
const MAX_KICKED = 2_000;

/** By what a viewer is known: its session; without one its address and program, after a space to tell them from sessions. */
export function viewerKey(request: IncomingMessage, session: string): string {
  return session === '' ? senderKey(request) : session;
}

function senderKey(request: IncomingMessage): string {
  return ` ${addressOf(request)} ${request.headers['user-agent'] ?? ''}`;
}

/** The viewer's address, as the socket has it. */
export function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? '';
}

/** Of all streams of a node. */
export class KickedViewers {
  readonly #untilMs = new Map<string, number>();

  /**
   * Keeps a viewer out of a stream: its session, and whoever comes from its address with its program and brings no session,
   * because that would get a new one. Who has a session of its own behind the same address is let in.
   * @param request by which the viewer came.
   */
  add(stream: string, request: IncomingMessage, session: string, nowMs = Date.now()): void {
    for (const key of new Set([viewerKey(request, session), senderKey(request)])) {
      this.#untilMs.set(`${stream}${key}`, nowMs + KEPT_OUT_MS);
    }
    for (const key of this.#untilMs.keys()) {
      if (this.#untilMs.size <= MAX_KICKED) break;
      this.#untilMs.delete(key);
    }
  }

  /** True for a viewer that is kept out. */
  has(stream: string, request: IncomingMessage, session: string, nowMs = Date.now()): boolean {
    if (this.#untilMs.size === 0) return false;
    return (this.#untilMs.get(`${stream}${viewerKey(request, session)}`) ?? 0) > nowMs;
  }

  /** Forgets those whose time is over. */
  sweep(nowMs: number): void {
    for (const [key, untilMs] of this.#untilMs) if (nowMs >= untilMs) this.#untilMs.delete(key);
  }
}
