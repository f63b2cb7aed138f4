/**
 * Clients that come and go in every way they do: viewers and publishers that leave in good order or not, handshakes that
 * stop half-way, health checks that never speak, viewers over HTTP. Before it: a soak; after it: a node that must forget them.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { TYPE } from '@weir/edge/rtmp/message';
import type { Protocol } from '@weir/edge/rtmp/protocol';
import { AVC_HEADER, videoFrame } from '@weir/test/harness/frame-publisher';

/** Where they go. */
export interface ChurnTarget {
  /** `host:port`. */
  rtmp: string;
  http: string;
  /** A stream that is published. */
  app: string;
  name: string;
  protocol: Protocol;
}

/** One visit, over when its connection is. @throws what the socket or the node says. */
type Visit = (target: ChurnTarget, number: number) => Promise<void>;

const HALF_HANDSHAKE_BYTES = 700;

const rtmp = (target: ChurnTarget, onMessage: () => void = () => {}) => {
  const [host = '', port = ''] = target.rtmp.split(':');
  const { app, protocol } = target;
  return RtmpClient.connect({ host, port: Number(port), app, protocol, timeoutMs: 30_000, onMessage });
};

const plays: Visit = async (target) => {
  const frame = Promise.withResolvers<void>();
  const client = await rtmp(target, () => frame.resolve());
  client.socket.once('close', () => frame.resolve());
  await client.play(target.name);
  await frame.promise;
  await client.end();
};

const playsAndBreaksOff: Visit = async (target) => {
  const client = await rtmp(target);
  await client.play(target.name);
  client.socket.resetAndDestroy();
  await closed(client.socket);
};

const publishes: Visit = async (target, number) => {
  const client = await rtmp(target);
  const name = `visit-${number}`;
  await client.publish(name);
  client.send(TYPE.video, 0, AVC_HEADER);
  client.send(TYPE.video, 0, videoFrame(0, 2_000, true));
  await client.end(name);
};

const speaksHalf: Visit = async (target) => {
  const socket = open(target.rtmp);
  await once(socket, 'connect');
  socket.end(Buffer.alloc(HALF_HANDSHAKE_BYTES, 3));
  await closed(socket);
};

const neverSpeaks: Visit = async (target) => {
  const socket = open(target.rtmp);
  await once(socket, 'connect');
  socket.destroy();
  await closed(socket);
};

const playsOverHttp: Visit = async (target) => {
  const socket = open(target.http);
  await once(socket, 'connect');
  socket.write(`GET /${target.app}/${target.name}.flv HTTP/1.1\r\nHost: bench\r\n\r\n`);
  await once(socket, 'data');
  socket.destroy();
  await closed(socket);
};

/** All of them; half are viewers. */
const VISITS: readonly Visit[] = [
  plays,
  plays,
  playsAndBreaksOff,
  plays,
  publishes,
  speaksHalf,
  neverSpeaks,
  playsOverHttp,
];

/**
 * Makes visits `from` up to, not including, `to`, so many at a time.
 * @returns how many failed.
 */
export async function visit(target: ChurnTarget, from: number, to: number, atOnce: number): Promise<number> {
  let next = from;
  let failed = 0;
  const visitor = async () => {
    while (next < to) {
      const number = next;
      next += 1;
      await (VISITS[number % VISITS.length] as Visit)(target, number).catch(() => {
        failed += 1;
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, visitor));
  return failed;
}

function open(address: string): ReturnType<typeof connect> {
  const [host = '', port = ''] = address.split(':');
  return connect(Number(port), host)
    .on('error', () => undefined)
    .resume();
}

async function closed(socket: ReturnType<typeof connect>): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}
