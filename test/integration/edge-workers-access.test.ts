// More than one process under everything a node does about its clients: TLS, callbacks, limits and quotas, reload, kick,
// and a worker that dies with a publisher on it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import type { PartialConfig } from '@weir/contracts/config/schema';
import type { CloseReason } from '@weir/contracts/events';
import { signName } from '@weir/contracts/signed-name';
import type { CallbackBody } from '@weir/edge/access/callbacks';
import { makeCertificate, type TestCertificate } from '@weir/test/harness/certificate';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { probe, publishFile } from '@weir/test/harness/ffmpeg';
import {
  CLIP_PATH,
  type ClipPublisher,
  faultsOf,
  type NotingViewer,
  playStream,
  publishClip,
} from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { playOnEachWorker, workerServing } from '@weir/test/harness/worker-viewers';
import { WebSocket } from 'ws';

const WORKERS = 2;
const openOf = (node: TestNode, protocol: string) =>
  node.stats().connections.reduce((sum, entry) => sum + (entry.protocol === protocol ? entry.open : 0), 0);
const closedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().closed.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);

describe('a node with two workers, TLS and callbacks', () => {
  let certificate: TestCertificate;
  let node: TestNode;
  const asked: CallbackBody[] = [];
  const closing: (() => unknown)[] = [];
  let changed: PartialConfig = {};
  let fixed: PartialConfig;
  const config = (): PartialConfig => ({ ...fixed, ...changed });
  const reload = async (own: PartialConfig) => {
    changed = own;
    const answer = await fetch(`${node.urls.admin}/v1/reload`, { method: 'POST' });
    assert.equal(answer.status, 200, await answer.clone().text());
    return (await answer.json()) as { changed: string[]; certificate: boolean };
  };
  before(async () => {
    certificate = await makeCertificate();
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (part: Buffer) => {
        text += part.toString();
      });
      request.on('end', () => {
        const body = JSON.parse(text) as CallbackBody;
        asked.push(body);
        response.writeHead(body.stream === 'denied' ? 403 : 200).end('{"message":"No subscription."}');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => server.close().closeAllConnections());
    const { certFile, keyFile } = certificate;
    fixed = {
      node: { name: 'edge-a', workers: WORKERS },
      tls: { certFile, keyFile },
      callbacks: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` },
    };
    node = await startTestNode(config(), { reread: config });
  });
  after(async () => {
    await node.close();
    for (const close of closing) await close();
    certificate.remove();
  });
  /** What a new handshake is shown. */
  const shown = async (url: string | undefined): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url ?? '').port), ca: certificate.pem });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerX509Certificate() ?? { fingerprint256: '' };
    socket.destroy();
    return fingerprint256;
  };

  it('takes a publisher by RTMPS and serves it by RTMPS, HTTPS and WSS on every worker', async () => {
    const ffmpeg = publishFile(CLIP_PATH, `${node.urls.rtmps}/live/secure`);
    closing.unshift(() => ffmpeg.stop());
    await waitFor('the stream', () => node.stats().streams.some(({ videoFrames }) => videoFrames > 0));
    for (let i = 0; i < WORKERS; i += 1) {
      const { streams } = await probe(`${node.urls.rtmps}/live/secure`, 1);
      assert.deepEqual(streams.map(({ codec_name }) => codec_name).sort(), ['aac', 'h264']);
      const [response] = (await once(
        get(`${node.urls.https}/live/secure.flv`, { ca: certificate.pem, agent: false }),
        'response',
      )) as [IncomingMessage];
      assert.equal(response.statusCode, 200);
      const [first] = (await once(response, 'data')) as [Buffer];
      assert.equal(first.toString('latin1', 0, 3), 'FLV');
      response.destroy();
      const socket = new WebSocket(`${node.urls.https?.replace('https', 'wss')}/live/secure.flv`, {
        ca: certificate.pem,
      });
      const [message] = (await once(socket, 'message')) as [Buffer];
      assert.equal(message.toString('latin1', 0, 3), 'FLV');
      socket.close();
    }
    await waitFor('the publisher to be alone', () => openOf(node, 'rtmps') === 1);
  });

  it('gives every worker a new certificate on a reload, and cuts nobody', async () => {
    const viewers = await playOnEachWorker(node, 'live/secure');
    const before = await shown(node.urls.rtmps);
    await certificate.renew();
    assert.deepEqual(await reload({}), { changed: [], certificate: true });
    const urls = [node.urls.rtmps, node.urls.https];
    const seen = async () => new Set(await Promise.all([...urls, ...urls, ...urls, ...urls].map(shown)));
    await waitFor('all to show the new one', async () => {
      const now = await seen();
      return now.size === 1 && !now.has(before);
    });
    const frames = viewers.map((viewer) => viewer.frames(9).length);
    await waitFor('more frames', () => viewers.every((viewer, i) => viewer.frames(9).length > (frames[i] ?? 0) + 20));
    assert.equal(openOf(node, 'rtmps'), 1, 'the publisher was not cut');
    for (const viewer of viewers) viewer.close();
  });

  it('asks the callback server once for each client, whichever worker it got, and tells the end', async () => {
    const has = (event: string, id: string) => asked.some((body) => body.event === event && body.id === id);
    await waitFor('earlier viewers to have gone', () =>
      asked.every(({ event, id }) => event !== 'play' || has('close', id)),
    );
    asked.length = 0;
    const viewers = await Promise.all([1, 2].map(() => playStream(node.rtmpUrl('live/secure'))));
    for (let i = 0; i < WORKERS; i += 1) {
      await assert.rejects(playStream(node.rtmpUrl('live/denied')), /No subscription/);
    }
    for (const viewer of viewers) viewer.close();
    await waitFor('both ends', () => asked.filter(({ event }) => event === 'close').length === 2);
    const count = (event: string, stream: string) =>
      asked.filter((body) => body.event === event && body.stream === stream).length;
    assert.deepEqual(
      [count('connect', ''), count('play', 'secure'), count('play', 'denied'), count('close', 'secure')],
      [4, 2, 2, 2],
    );
    const ids = asked.filter(({ event, stream }) => event !== 'connect' && stream === 'secure').map(({ id }) => id);
    assert.equal(new Set(ids).size, 2);
  });

  it('puts access and limits in force on all workers, and quotas for who is on', async () => {
    const viewers = await playOnEachWorker(node, 'live/secure', 2);
    await waitFor('the count', () => node.stats().streams[0]?.viewers === viewers.length);
    const { changed: keys } = await reload({
      access: { play: 'key', signingKeys: ['secret'] },
      limits: { viewersPerStream: viewers.length + 1, apps: ['live viewers=2'], appGraceMs: 3_000 },
    });
    assert.deepEqual(keys, [
      'access.play',
      'access.signingKeys',
      'limits.appGraceMs',
      'limits.apps',
      'limits.viewersPerStream',
    ]);
    for (let i = 0; i < WORKERS; i += 1) {
      await assert.rejects(playStream(node.rtmpUrl('live/secure')), /key or a signed URL is needed/);
    }
    const expires = Math.floor(Date.now() / 1_000) + 60;
    const signed = signName({ action: 'play', stream: 'live/secure', expires }, 'secret');
    await assert.rejects(
      playStream(node.rtmpUrl(`live/secure?${signed}`)),
      new RegExp(`live has ${viewers.length} viewers`),
    );
    // The newest go, on whichever worker they are.
    await waitFor('them to go', () => viewers.slice(2).every(({ isClosed }) => isClosed), { timeoutMs: 20_000 });
    await waitFor('the count', () => closedCount(node, 'app-limit') === viewers.length - 2);
    assert.deepEqual(
      viewers.slice(0, 2).map(({ isClosed }) => isClosed),
      [false, false],
    );
    await reload({});
    for (const viewer of viewers) viewer.close();
  });

  it('kicks a client by RTMPS', async () => {
    const ask = async () => {
      const response = await fetch(`${node.urls.admin}/v1/connections?role=publisher`);
      return ((await response.json()) as { connections: { id: string; protocol: string; stream: string }[] })
        .connections;
    };
    const [publisher] = (await ask()).filter(({ stream }) => stream === 'secure');
    assert.equal(publisher?.protocol, 'rtmps');
    assert.equal((await fetch(`${node.urls.admin}/v1/connections/${publisher.id}`, { method: 'DELETE' })).status, 200);
    await waitFor('it to be gone', () => closedCount(node, 'kicked') === 1);
    await waitFor('the figure', () => openOf(node, 'rtmps') === 0);
  });

  it('takes the streams of a worker that dies up again, under the viewers of the other', async () => {
    const publishers: { name: string; worker: number | undefined; clip: ClipPublisher }[] = [];
    while (new Set(publishers.map(({ worker }) => worker)).size < WORKERS) {
      const name = `own-${publishers.length}`;
      const clip = await publishClip(node.rtmpUrl(`live/${name}`));
      publishers.push({ name, worker: workerServing(node, clip.client.socket), clip });
    }
    const viewers: { name: string; viewer: NotingViewer }[] = [];
    for (const { name } of publishers) {
      for (const viewer of await playOnEachWorker(node, `live/${name}`)) viewers.push({ name, viewer });
    }
    await waitFor('frames', () => viewers.every(({ viewer }) => viewer.frames(9).length > 25));
    const [victim] = node.workers();
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const cut = publishers.filter(({ worker }) => worker === victim?.index);
    await waitFor('its publishers to be cut', () => cut.every(({ clip }) => clip.client.socket.destroyed));
    // As encoders do; the other worker takes them.
    for (const one of cut) {
      one.clip = await waitFor('it to be back', () => publishClip(node.rtmpUrl(`live/${one.name}`)));
    }
    const left = viewers.filter(({ viewer }) => !viewer.isClosed);
    for (const { name } of publishers) {
      assert.ok(
        left.some((one) => one.name === name),
        `a viewer of ${name} is on the other worker`,
      );
    }
    const had = left.map(({ viewer }) => viewer.frames(9).length);
    await waitFor('frames of all', () => left.every(({ viewer }, i) => viewer.frames(9).length > (had[i] ?? 0) + 25));
    for (const { viewer } of left) assert.deepEqual(faultsOf(viewer), []);
    await waitFor('the worker to be back', () => node.workers().every(({ pid }) => pid > 0));
    const newcomers = await playOnEachWorker(node, `live/${cut[0]?.name}`);
    await waitFor('their frames', () => newcomers.every((viewer) => viewer.frames(9).length > 10));
    for (const viewer of [...newcomers, ...left.map((one) => one.viewer)]) viewer.close();
    await Promise.all(publishers.map(({ clip }) => clip.close()));
  });
});
