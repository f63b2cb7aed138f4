/**
 * What a session needs around it: its host, which decides about streams, and its settings. The seam between the protocol
 * and the streams; sessions of other protocols use the same words.
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '@weir/contracts/events';
import type { Refusal } from '../access/check.ts';
import type { MediaMessage } from '../stream/media.ts';
import type { ViewerTransport } from '../stream/viewer.ts';
import type { StreamName } from './names.ts';
import type { Protocol } from './protocol.ts';

/** A connection as its host sees it. */
export interface ClientInfo {
  socket: Socket;
  /** `flashVer` of the connect command. */
  userAgent: string;
}

/** A granted publish: where the media goes. */
export interface Publication {
  push(media: MediaMessage): void;
  /** The publisher is gone. */
  end(reason: CloseReason): void;
}

/** A granted play. */
export interface Playback {
  /** The viewer is gone, or its stream ended. */
  end(reason: CloseReason): void;
  /** The client paused, or went on. */
  pause(paused: boolean): void;
}

/** Who decides about streams. */
export interface SessionHost {
  /** May this client connect to this app? Resolves with undefined when it may. Absent: everybody may. */
  connect?(client: ClientInfo, to: { app: string; query: URLSearchParams }): Promise<Refusal | undefined>;
  /**
   * May this client publish? Resolves with what takes its media, or with the reason why not.
   * `revoke` closes the session later on, with a reason.
   */
  publish(
    stream: StreamName,
    client: ClientInfo,
    revoke: (reason: CloseReason) => void,
  ): Promise<Publication | Refusal>;
  /** May this client play? The transport is told when the stream begins and when it ends. */
  play(
    stream: StreamName,
    client: ClientInfo,
    transport: ViewerTransport,
  ): Playback | Refusal | Promise<Playback | Refusal>;
}

/** Options of {@link RtmpSession}. */
export interface SessionOptions {
  socket: Socket;
  protocol: Protocol;
  host: SessionHost;
  chunkSizeBytes: number;
  maxMessageBytes: number;
  /** Time from connecting to publishing or playing. */
  handshakeTimeoutMs: number;
  /** Encoding of what it plays. */
  encoding: 'rtmp' | 'relay';
  /** When set, `connect` is answered with this refusal. */
  refusal: Refusal | undefined;
  /** The connection ended without a role. */
  onRefused: (reason: CloseReason) => void;
  /** An error of ours, which ended this session and nothing else. */
  onBug: (error: unknown) => void;
}
