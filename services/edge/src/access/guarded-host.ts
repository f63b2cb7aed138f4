/**
 * The host of public RTMP sessions: asks access, then the streams. Before it: sessions of one listener; after it: streams.
 */
import type { ClientInfo, Playback, Publication, SessionHost } from '../rtmp/session-host.ts';
import type { Streams } from '../stream/streams.ts';
import { type Admission, callerOf, type Grant } from './access.ts';
import type { Refusal } from './check.ts';

/** Options of {@link guardedHost}. */
export interface GuardedHostOptions {
  access: Admission;
  streams: Streams;
  /** What the sessions of this listener speak. */
  protocol: 'rtmp' | 'rtmps';
}

/** See the head of the file. */
export function guardedHost({ access, streams, protocol }: GuardedHostOptions): SessionHost {
  const caller = ({ socket, userAgent }: ClientInfo) => callerOf(socket, protocol, userAgent);
  return {
    connect: (client, { app, query }) => access.connect(caller(client), app, query),
    async publish(stream, client, revoke) {
      const grant = await access.ask({ action: 'publish', ...stream, ...caller(client) });
      if ('refused' in grant) return grant;
      if (client.socket.destroyed) return gone(grant);
      const answer = await streams.publish(stream, client, revoke, protocol);
      grant.onWithdrawn = revoke;
      if ('refused' in answer) {
        grant.end(answer.refused);
        return answer;
      }
      const publication: Publication = {
        push: (media) => answer.push(media),
        end(reason) {
          answer.end(reason);
          grant.end(reason);
        },
      };
      return publication;
    },
    async play(stream, client, transport) {
      const grant = await access.ask({ action: 'play', ...stream, ...caller(client) });
      if ('refused' in grant) return grant;
      if (client.socket.destroyed) return gone(grant);
      const answer = streams.play(stream, client, transport, protocol);
      const playback: Playback = {
        pause: (paused) => answer.pause(paused),
        end(reason) {
          answer.end(reason);
          grant.end(reason);
        },
      };
      grant.onWithdrawn = (reason) => {
        // Nothing may be written behind its last words.
        playback.end(reason);
        transport.end(reason);
      };
      return playback;
    },
  };
}

/** The client left while it was being asked about. */
function gone(grant: Grant): Refusal {
  grant.end('client-closed');
  return { refused: 'client-closed', description: 'The client has left.' };
}
