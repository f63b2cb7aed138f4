/** What the primary and a worker tell each other over their IPC channel: everything but media. */

import type { Config } from '@weir/contracts/config/schema';
import type { WeirError } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import type { MetricName } from '@weir/contracts/metrics';
import type { AccessRequest, Caller, Refusal } from '../access/check.ts';
import type { Listeners } from '../listeners.ts';
import type { ReconnectRequest } from '../rtmp/reconnect.ts';
import type { ConnectionClosed, ConnectionOpened } from '../stats.ts';
import type { Connections, CountedSocket, KickReason, OpenConnection } from '../stream/connections.ts';

/** A request for access without what cannot be sent. */
export type SentRequest = Omit<AccessRequest, 'query'> & { query: string };

/** An open connection of a worker. */
export type SentConnection = Pick<OpenConnection, 'opened' | 'framesDropped'> & {
  socket: Pick<CountedSocket, 'bytesRead' | 'bytesWritten' | 'writableLength'>;
};

/** One figure of a worker's process. */
export type SentFigure = [name: MetricName, value: number, attributes: Record<string, string> | undefined];

/** From the primary. */
export type ToWorker =
  | {
      kind: 'start';
      index: number;
      node: string;
      config: Config;
      /** Unix sockets of the primary. */
      links: string;
      http: string;
    }
  | { kind: 'answer'; call: number; refusal?: Refusal; grant?: number }
  /** The place of a publisher or viewer is withdrawn: take it off. */
  | { kind: 'withdraw'; grant: number; reason: CloseReason }
  /** Send the process's figures since they were last asked for. */
  | { kind: 'figures'; elapsedMs: number }
  /** Another configuration is in force. */
  | { kind: 'configure'; config: Config }
  /** Send the open connections. */
  | { kind: 'list' }
  /** Close a connection. */
  | { kind: 'kick'; connection: string; reason: KickReason }
  | { kind: 'ask-to-reconnect'; request: ReconnectRequest }
  /** Tell all clients, and end. */
  | { kind: 'close'; reason: CloseReason };

/** From a worker. */
export type ToPrimary =
  | { kind: 'ready'; ports: Listeners['ports'] }
  | { kind: 'failed'; code: WeirError['code']; message: string }
  /** A client connected; it asks for nothing yet. Its number is never used again by this worker. */
  | { kind: 'came'; client: number; address: string }
  | { kind: 'left'; client: number }
  | { kind: 'connect'; call: number; client: number; caller: Caller; app: string; query: string }
  | { kind: 'ask'; call: number; client: number; request: SentRequest }
  | { kind: 'end-grant'; grant: number; reason: CloseReason }
  | { kind: 'opened'; connections: ConnectionOpened[] }
  | { kind: 'closed'; connections: ConnectionClosed[] }
  | { kind: 'figures'; figures: SentFigure[] }
  | { kind: 'list'; connections: SentConnection[] }
  /** So many clients were asked to reconnect. */
  | { kind: 'told'; told: number }
  /** A sign of life with the worker's book. */
  | { kind: 'pulse'; book: ReturnType<Connections['snapshot']>; mergeWindowMs: number; longestFlushMs: number };
