/** What a client is told when its session ends: statuses of RTMP 1.0 §7.2.2 by role and reason. Before it: the session. */
import type { CloseReason } from '@weir/contracts/events';
import { MEDIA_STREAM_ID } from '../stream/encoding.ts';
import type { RtmpPeer } from './peer.ts';
import { USER_EVENT } from './protocol.ts';

/** Says them; a client without a role was told what there is to say when it was refused. */
export function sayLastWords(
  peer: RtmpPeer,
  reason: CloseReason,
  role: 'viewer' | 'publisher' | undefined,
  encoding: 'rtmp' | 'relay',
): void {
  const status = (level: 'status' | 'error', code: string, description: string) =>
    peer.status(MEDIA_STREAM_ID, level, code, description);
  if (role === 'viewer' && reason === 'stream-not-found') {
    status('error', 'NetStream.Play.StreamNotFound', 'Nobody publishes this stream.');
  } else if (role === 'publisher' && reason === 'stream-busy') {
    status('error', 'NetStream.Publish.BadName', 'Another publisher holds this stream.');
  } else if (role === 'publisher') {
    status('status', 'NetStream.Unpublish.Success', `The publish ended: ${reason}.`);
  } else if (role === 'viewer' && (reason === 'stream-ended' || encoding === 'rtmp')) {
    // A relay that is closed for any other reason goes on elsewhere: for it the stream has not ended.
    peer.userControl(USER_EVENT.streamEof, MEDIA_STREAM_ID);
    status('status', 'NetStream.Play.UnpublishNotify', `The stream ended: ${reason}.`);
    status('status', 'NetStream.Play.Stop', 'Stopped playing.');
  }
}
