// RTMPS, HTTPS and WSS with real clients, and certificates that are replaced under open connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { CloseReason } from '@weir/contracts/events';
import { makeCertificate, type TestCertificate } from '@weir/test/harness/certificate';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { probe, publishFile } from '@weir/test/harness/ffmpeg';
import { CLIP_PATH, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { WebSocket } from 'ws';

const refusedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().refused.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
const openOf = (node: TestNode, protocol: string) =>
  node.stats().connections.reduce((sum, entry) => sum + (entry.protocol === protocol ? entry.open : 0), 0);
const portOf = (url: string | undefined) => Number(new URL(url ?? '').port);

describe('TLS', () => {
  let certificate: TestCertificate;
  let node: TestNode;
  before(async () => {
    certificate = await makeCertificate();
    const { certFile, keyFile } = certificate;
    const own = { tls: { certFile, keyFile }, rtmp: { handshakeTimeoutMs: 700 } };
    node = await startTestNode(own, { reread: () => own });
  });
  after(async () => {
    await node.close();
    certificate.remove();
  });

  /** The certificate a new connection is shown. */
  const shown = async (url: string | undefined): Promise<string> => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port: portOf(url), ca: certificate.pem });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerX509Certificate() ?? { fingerprint256: '' };
    socket.destroy();
    return fingerprint256;
  };

  it('takes a publisher by RTMPS and serves it by RTMPS, RTMP, HTTPS and WSS, counted with their real bytes', async () => {
    const ffmpeg = publishFile(CLIP_PATH, `${node.urls.rtmps}/live/secure`);
    await waitFor('the stream', () => node.stats().streams.some(({ videoFrames }) => videoFrames > 0));
    assert.equal(openOf(node, 'rtmps'), 1);
    const { streams } = await probe(`${node.urls.rtmps}/live/secure`, 1);
    assert.deepEqual(streams.map(({ codec_name }) => codec_name).sort(), ['aac', 'h264']);
    const plain = await playStream(node.rtmpUrl('live/secure'));
    await waitFor('frames', () => plain.frames(9).length > 10);
    plain.close();

    const [response] = (await once(get(`${node.urls.https}/live/secure.flv`, { ca: certificate.pem }), 'response')) as [
      IncomingMessage,
    ];
    assert.equal(response.statusCode, 200);
    let received = 0;
    response.on('data', (part: Buffer) => {
      received += part.length;
    });
    await waitFor('media', () => received > 100_000);
    const least = received; // it goes on while the node is asked
    const answer = (await (await fetch(`${node.urls.admin}/v1/connections?role=viewer`)).json()) as {
      connections: { protocol: string; bytesOut: number }[];
    };
    const counted = answer.connections.find(({ protocol }) => protocol === 'http-flv')?.bytesOut ?? 0;
    assert.ok(counted >= least && counted < received * 1.5 + 200_000, `${counted} counted, ${least} received`);
    response.destroy();

    const strange = new WebSocket(`${node.urls.https?.replace('https', 'wss')}/live/secure.flv`);
    const [error] = (await once(strange, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT', 'a client that does not trust us leaves');
    const socket = new WebSocket(`${node.urls.https?.replace('https', 'wss')}/live/secure.flv`, {
      ca: certificate.pem,
    });
    let tags = 0;
    let begin = '';
    socket.on('message', (part: Buffer) => {
      if (tags === 0) begin = part.toString('latin1', 0, 3);
      tags += 1;
    });
    await waitFor('messages', () => tags > 20);
    assert.equal(begin, 'FLV');
    assert.equal(openOf(node, 'ws-flv'), 1);
    socket.close();
    await waitFor('it to be gone', () => openOf(node, 'ws-flv') === 0);
    await ffmpeg.stop();
    await waitFor('all to be gone', () => openOf(node, 'rtmps') === 0);
  });

  it('gives new handshakes a new certificate, and cuts nobody', async () => {
    const ffmpeg = publishFile(CLIP_PATH, `${node.urls.rtmps}/live/stays`);
    await waitFor('the stream', () => openOf(node, 'rtmps') === 1);
    const [rtmpsBefore, httpsBefore] = [await shown(node.urls.rtmps), await shown(node.urls.https)];
    const streaming = await playStream(node.rtmpUrl('live/stays'));
    await certificate.renew();
    const reload = await fetch(`${node.urls.admin}/v1/reload`, { method: 'POST' });
    assert.deepEqual(await reload.json(), { changed: [], certificate: true });
    const [rtmpsNow, httpsNow] = [await shown(node.urls.rtmps), await shown(node.urls.https)];
    assert.notEqual(rtmpsNow, rtmpsBefore);
    assert.notEqual(httpsNow, httpsBefore);
    assert.equal(rtmpsNow, httpsNow);
    const frames = streaming.frames(9).length;
    await waitFor('the old connection to go on', () => streaming.frames(9).length > frames + 20);
    assert.equal(openOf(node, 'rtmps'), 1);
    streaming.close();
    await ffmpeg.stop();
  });

  it('ends what does not get through the handshake, counted', async () => {
    const silentBefore = refusedCount(node, 'silent');
    const stranger = () =>
      connectTcp(portOf(node.urls.rtmps), '127.0.0.1')
        .on('error', () => {})
        .resume();
    const [silent, garbage] = [stranger(), stranger()];
    garbage.write('GET / HTTP/1.1\r\n\r\n');
    await waitFor('both to be closed', () => silent.destroyed && garbage.destroyed, { timeoutMs: 10_000 });
    await waitFor('the counts', () => refusedCount(node, 'bad-handshake') === 1);
    await waitFor('the other count', () => refusedCount(node, 'silent') > silentBefore);
  });

  it('without a certificate that can be used is refused at the start, and at a reload without harm', async () => {
    const { certFile, keyFile } = certificate;
    const other = await makeCertificate();
    const refusals = [
      [{ certFile: '/nowhere.pem', keyFile }, /tls\.certFile cannot be read/],
      [{ certFile, keyFile: other.keyFile }, /is not the one of the certificate/],
      [{ certFile, keyFile: certFile }, /cannot be used/],
    ] as const;
    for (const [tls, message] of refusals) {
      await assert.rejects(startTestNode({ tls }), { code: 'EDGE_TLS', message });
    }
    let own = { tls: { certFile, keyFile } };
    const reloaded = await startTestNode(own, { reread: () => own });
    const before = await shown(reloaded.urls.https);
    own = { tls: { certFile, keyFile: other.keyFile } };
    const reload = await fetch(`${reloaded.urls.admin}/v1/reload`, { method: 'POST' });
    assert.equal(((await reload.json()) as { error: string }).error, 'EDGE_TLS');
    assert.equal(await shown(reloaded.urls.https), before);
    const publisher = await publishClip(reloaded.rtmpUrl('live/x'));
    await publisher.close();
    await reloaded.close();
    other.remove();
  });
});
