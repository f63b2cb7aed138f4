/**
 * The other end of announcer.ts: what publishing edges say of themselves goes into the directory for as long as their
 * connection lasts. Before it: the relay listener, which knows that they are members; after it: the directory.
 */
import { NODE_LEASE_MS } from '@weir/contracts/nats/names';
import type { StreamRecord } from '@weir/contracts/nats/records';
import type { ClientInfo, Publication } from '../rtmp/session-host.ts';
import { parseAnnouncement } from './announcer.ts';

/** Streams one node may announce. */
const MAX_STREAMS = 65_536;

/** Where announcements go. */
export interface AnnouncementSink {
  announce(record: StreamRecord): void;
  retract(record: StreamRecord): void;
}

/** Takes the announcements of `node` until it leaves, or is silent for a lease. `revoke` closes its connection. */
export function takeAnnouncements(
  node: string,
  sink: AnnouncementSink,
  { socket }: Pick<ClientInfo, 'socket'>,
  revoke: () => void,
): Publication {
  const records = new Map<string, StreamRecord>();
  const retract = (stream: string) => {
    const record = records.get(stream);
    records.delete(stream);
    if (record) sink.retract(record);
  };
  socket.setTimeout(NODE_LEASE_MS, revoke);
  return {
    push({ payload }) {
      const { stream, epoch, relay } = parseAnnouncement(payload) ?? {};
      if (typeof stream !== 'string' || typeof epoch !== 'number') return;
      retract(stream);
      if (epoch === 0 || typeof relay !== 'string' || records.size >= MAX_STREAMS) return;
      const record = { stream, node, relay, epoch };
      records.set(stream, record);
      sink.announce(record);
    },
    end() {
      socket.setTimeout(0);
      for (const stream of [...records.keys()]) retract(stream);
    },
  };
}
