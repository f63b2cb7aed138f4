/** Low-latency HLS viewers on raw sockets: each waits for the next playlist, then takes its newest part, over one connection. */
import { connect, type Socket } from 'node:net';

/** What the viewers have got so far. */
export interface Tally {
  playlists: number;
  parts: number;
  partBytes: number;
  playlistBytes: number;
  failed: number;
}

/** Where to ask: the next playlist and the part a playlist tells of. */
export interface ViewerPaths {
  playlist(viewer: number, last: string | undefined): string;
  /** Path of the part, out of the playlist's text. */
  part(playlist: string): string;
}

const AGENT = 'weir-bench';

/** Starts `count` viewers; `stop()` ends them. */
export function startViewers(port: number, count: number, paths: ViewerPaths): { tally: Tally; stop(): void } {
  const tally: Tally = { playlists: 0, parts: 0, partBytes: 0, playlistBytes: 0, failed: 0 };
  const sockets = Array.from({ length: count }, (_, viewer) => startViewer(port, viewer, paths, tally));
  return {
    tally,
    stop() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function startViewer(port: number, viewer: number, paths: ViewerPaths, tally: Tally): Socket {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let isPlaylist = true;
  let last: string | undefined;
  let head = '';
  let left = -1;
  let text = '';
  const ask = (path: string) =>
    socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: ${AGENT}-${viewer}\r\n\r\n`);
  const next = () => {
    if (isPlaylist) ask(paths.playlist(viewer, last));
    else ask(paths.part(last ?? ''));
  };
  const ended = () => {
    left = -1;
    if (isPlaylist) {
      tally.playlists += 1;
      tally.playlistBytes += text.length;
      last = text;
    } else tally.parts += 1;
    isPlaylist = !isPlaylist;
    text = '';
    next();
  };
  socket.on('connect', next);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    let body = bytes;
    if (left < 0) {
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      left = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (!head.startsWith('HTTP/1.1 200')) tally.failed += 1;
      body = bytes.subarray(bytes.length - (head.length - end - 4));
      head = '';
    }
    left -= body.length;
    if (isPlaylist) text += body.toString('latin1');
    else tally.partBytes += body.length;
    if (left === 0) ended();
  });
  return socket;
}
