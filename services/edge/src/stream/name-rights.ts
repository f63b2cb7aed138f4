/**
 * What the streams ask of others before somebody publishes: may this node have the name, may the publisher stand by. Before
 * it: streams.ts, which asks; after it: the cluster (claims, backups), or a worker's primary, which answer.
 */
import type { CloseReason, Protocol as ConnectionProtocol } from '@weir/contracts/events';
import type { Refusal } from '../access/check.ts';
import type { StreamName } from '../rtmp/names.ts';
import type { ClientInfo, Publication } from '../rtmp/session-host.ts';
import type { CountedSocket, OpenConnection } from './connections.ts';

/** The right to publish a stream, cluster-wide. */
export interface StreamClaim {
  /** Higher than that of any publisher before. */
  epoch: number;
  /** Gives it back; the reason is why its publisher ended. */
  release(reason: CloseReason): void;
}

/** Who decides about names across the cluster. */
export interface StreamClaims {
  /**
   * Resolves with undefined when somebody else publishes it. `lost` is called when the claim turns out to be another's.
   * A `backup` takes a name from nobody, and gives it to any publisher that is none.
   */
  claim(stream: string, lost: () => void, backup?: boolean): Promise<StreamClaim | undefined>;
  /** True when another node's publisher of `stream` would give way to one that comes here now, and leave. */
  givesWay(stream: string): Promise<boolean>;
}

/** A publisher; its socket is only counted, so it may be one of another process. */
export type PublishingClient = Pick<ClientInfo, 'userAgent'> & {
  socket: CountedSocket;
  /** Its entry in the book when it has one already; whoever made it closes it. */
  connection?: OpenConnection;
};

/** Who asks to publish what; `revoke` is called when it must stop later on. */
export type PublishRequest = [
  name: StreamName,
  client: PublishingClient,
  revoke: (reason: CloseReason) => void,
  protocol: ConnectionProtocol,
];

/** Who takes publishers that are to stand by (cluster/backups.ts). */
export interface StandbyDesk {
  /** True when a publisher of this name is not simply refused while there is another. */
  wants(name: StreamName): boolean;
  /** Lets it in, to publish now or later. */
  enter(...request: PublishRequest): Promise<Publication | Refusal>;
  /** Streams of publishers that stand by on this node, or did. */
  streams(): string[];
  /** Publishers of `app/name` that stand by on this node. */
  waiting(stream: string): number;
}
