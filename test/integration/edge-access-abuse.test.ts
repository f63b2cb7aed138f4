// What attackers and broken clients send to a node: each is ended with a counted reason, and a stream beside it loses nothing.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { CloseReason } from '@weir/contracts/events';
import { encodeAmf } from '@weir/edge/rtmp/amf0';
import { writeChunks } from '@weir/edge/rtmp/chunk-writer';
import { RtmpClient, RtmpClientError } from '@weir/edge/rtmp/client';
import { TYPE } from '@weir/edge/rtmp/message';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import {
  type ClipPublisher,
  faultsOf,
  type NotingViewer,
  playStream,
  publishClip,
} from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const LIMIT_BYTES = 200_000;

describe('a node under abuse', () => {
  let node: TestNode;
  let publisher: ClipPublisher;
  let viewer: NotingViewer;
  const refused = (reason: CloseReason) =>
    node.stats().refused.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
  const closed = (reason: CloseReason) =>
    node.stats().closed.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);

  before(async () => {
    node = await startTestNode({
      rtmp: { handshakeTimeoutMs: 1_000, maxMessageBytes: LIMIT_BYTES },
      stream: { notFoundWaitMs: 200 },
    });
    publisher = await publishClip(node.rtmpUrl('live/witness'));
    viewer = await playStream(node.rtmpUrl('live/witness'));
  });
  after(async () => {
    const frames = viewer.frames(9).length;
    await waitFor('the witness to go on', () => viewer.frames(9).length > frames + 10);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
    await publisher.close();
    await node.close();
  });

  const raw = (): Socket => {
    const [host = '', port = ''] = node.addresses.rtmp.split(':');
    return connect(Number(port), host)
      .on('error', () => {})
      .resume();
  };
  const hello = Buffer.concat([Buffer.from([3]), Buffer.alloc(1_536), Buffer.alloc(1_536)]);
  const app = writeChunks(TYPE.command, 0, 0, encodeAmf('connect', 1, { app: 'live' }), 128);

  it('ends handshakes that stop half-way, a crowd of them, when their time is up', async () => {
    const before = refused('idle');
    const crowd = Array.from({ length: 200 }, (_, i) => {
      const socket = raw();
      socket.write(hello.subarray(0, 1 + ((i * 37) % 1_536)));
      return socket;
    });
    await waitFor('all to be closed', () => crowd.every((socket) => socket.destroyed), { timeoutMs: 15_000 });
    await waitFor('the count', () => refused('idle') === before + crowd.length);
  });

  it('takes 128 chunk streams and ends whoever opens more, long before 65,535', async () => {
    const before = refused('protocol-error');
    const socket = raw();
    socket.write(Buffer.concat([hello, app]));
    for (let id = 64; id < 65_535 && !socket.destroyed; id += 1) {
      const chunk = Buffer.alloc(3 + 11 + 128);
      chunk.writeUInt8(1, 0);
      chunk.writeUInt16LE(id - 64, 1);
      chunk.writeUIntBE(1_000, 6, 3); // a message that never ends
      chunk.writeUInt8(TYPE.command, 9);
      socket.write(chunk);
      if (id % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor('the end', () => socket.destroyed);
    await waitFor('the count', () => refused('protocol-error') === before + 1);
  });

  it('ends whoever announces a message over the limit, before it is sent', async () => {
    const before = refused('protocol-error');
    const socket = raw();
    const header = Buffer.alloc(12);
    header.writeUInt8(3, 0);
    header.writeUIntBE(0xff_ff_ff, 4, 3);
    header.writeUInt8(TYPE.command, 7);
    socket.write(Buffer.concat([hello, header]));
    await waitFor('the end', () => socket.destroyed);
    await waitFor('the count', () => refused('protocol-error') === before + 1);

    const publishing = await publishClip(node.rtmpUrl('live/large'));
    publishing.pause();
    publishing.client.send(9, 1_000_000, Buffer.alloc(LIMIT_BYTES + 1, 0x17));
    await publishing.closed;
    await waitFor('the count', () => closed('protocol-error') === 1);
  });

  it('refuses names of 10 kB, with "..", control characters or nothing in them, over RTMP and HTTP', async () => {
    const [host = '', port = ''] = node.addresses.rtmp.split(':');
    const names = [
      'x'.repeat(10_240),
      '../../etc/passwd',
      'a/../b',
      'a//b',
      '',
      '.',
      'a\u0000b',
      'a\r\nb',
      '\u001b[2J',
    ];
    for (const name of names) {
      const client = await RtmpClient.connect({ host, port: Number(port), app: 'live' });
      await assert.rejects(client.publish(name), (error: unknown) => {
        assert.ok(error instanceof RtmpClientError, name.slice(0, 20));
        assert.equal(error.status?.code, 'NetStream.Publish.BadName', name.slice(0, 20));
        assert.match(error.status.description, /rtmp:\/\/host\/app\/name/, name.slice(0, 20));
        return true;
      });
      client.close();
    }
    for (const path of [
      `/live/${'x'.repeat(10_240)}.flv`,
      '/live/%2e%2e/x.flv',
      '/live/a%00b.flv',
      '/live/%ff.flv',
      '/live/.flv',
    ]) {
      const { status } = await fetch(node.httpUrl(path));
      assert.ok(status === 404 || status === 431, `${path.slice(0, 30)} ${status}`);
    }
    for (const name of ['Zürich', 'a b', '日本', "o'clock; DROP TABLE", '%2e%2e', '😀']) {
      const odd = await publishClip(node.rtmpUrl(`live/${encodeURIComponent(name)}`));
      await waitFor(name, () => node.stats().streams.some((stream) => stream.name === name));
      await odd.close();
    }
  });

  it('forgets thousands of connections that come and go', async () => {
    for (let round = 0; round < 20; round += 1) {
      const sockets = Array.from({ length: 50 }, () => raw());
      await waitFor('them to be connected', () => sockets.every((socket) => !socket.connecting));
      for (const [index, socket] of sockets.entries()) {
        if (index % 3 === 0) socket.resetAndDestroy();
        else if (index % 3 === 1) socket.end(hello);
        else socket.destroy();
      }
    }
    await waitFor('all places but the witness’s to be free', async () => {
      const response = await fetch(`${node.urls.admin}/v1/node`);
      return ((await response.json()) as { connections: number }).connections === 2;
    });
    assert.ok(node.stats().connections.every(({ open }) => open <= 1));
  });
});
