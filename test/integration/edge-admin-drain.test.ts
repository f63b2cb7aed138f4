// A node with clients that connect to it directly is drained: who is told to go where, and how each protocol ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import {
  type ClipPublisher,
  faultsOf,
  type NotingViewer,
  playStream,
  publishClip,
} from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { WebSocket } from 'ws';
import { weir } from './cli-process.ts';

/** `capsEx` of a client that obeys a request to reconnect (Enhanced RTMP v2). */
const RECONNECTS = 1;
const RECONNECT = 'NetConnection.Connect.ReconnectRequest';

for (const workers of [1, 2]) {
  describe(`a node that is drained under its clients, with ${workers === 1 ? 'one process' : 'two workers'}`, () => {
    let nats: TestNats;
    let leaving: TestNode;
    let other: TestNode;
    let publisher: ClipPublisher;
    let viewer: NotingViewer;
    let plain: NotingViewer;
    before(async () => {
      nats = await startNats();
      const config = (name: string): PartialConfig => ({
        node: { name, workers: name === 'edge-a' ? workers : 1 },
        nats: { servers: [nats.url] },
      });
      [leaving, other] = await Promise.all([startTestNode(config('edge-a')), startTestNode(config('edge-b'))]);
      publisher = await publishClip(leaving.rtmpUrl('live/clip'), { capsEx: RECONNECTS });
      viewer = await playStream(leaving.rtmpUrl('live/clip'), { capsEx: RECONNECTS });
      plain = await playStream(leaving.rtmpUrl('live/clip'));
      await waitFor('frames', () => [viewer, plain].every((one) => one.frames(9).length > 10));
      await waitFor('the other to be known', async () => {
        const { stdout } = await weir(['nodes', '--nats-servers', nats.url]);
        return stdout.includes('edge-a') && stdout.includes('edge-b');
      });
    });
    after(async () => {
      await Promise.all([leaving.close(), other.close()]);
      await nats.close();
    });

    it('asks those who know how to reconnect, and says where; the others stay as they are', async () => {
      const socket = new WebSocket(`ws://${leaving.addresses.http}/live/clip.flv`);
      await once(socket, 'message');
      const closed = once(socket, 'close');
      const { status, stdout } = await weir(['drain', 'edge-a', '--deadline', '3', '--nats-servers', nats.url]);
      assert.deepEqual([status, stdout], [0, 'edge-a drains.\n']);
      for (const { statuses } of [publisher, viewer]) {
        const asked = await waitFor('the request', () => statuses.find(({ code }) => code === RECONNECT));
        assert.equal(asked.tcUrl, `rtmp://${other.addresses.rtmp}/live`);
      }
      assert.ok(plain.statuses.every(({ code }) => code !== RECONNECT));
      const drain = (await (await fetch(`${leaving.urls.admin}/v1/drain`)).json()) as {
        told: number;
        endsAtMs: number;
      };
      assert.equal(drain.told, 2);
      assert.ok(drain.endsAtMs > Date.now());
      // A player on a connection that is kept alive is to come by a new one, which is led elsewhere.
      const page = await fetch(leaving.httpUrl('/streams'));
      assert.equal(page.headers.get('connection'), 'close');

      // As encoders and players do that were asked.
      await publisher.close();
      publisher = await waitFor('the publisher elsewhere', () => publishClip(other.rtmpUrl('live/clip')));
      viewer.close();
      viewer = await playStream(other.rtmpUrl('live/clip'));
      // The node ends at its deadline: those who are left are told.
      assert.equal(await leaving.ended, 'drained');
      await waitFor('the last to be closed', () => plain.isClosed);
      assert.match(plain.statuses.map(({ description }) => description).join(), /shutdown/);
      const [code, reason] = (await closed) as [number, Buffer];
      assert.deepEqual([code, reason.toString()], [1_012, 'shutdown']);
      assert.deepEqual(faultsOf(plain), []);
      await waitFor('frames elsewhere', () => viewer.frames(9).length > 25);
      viewer.close();
      await publisher.close();
    });
  });
}
