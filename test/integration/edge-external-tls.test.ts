// Servers that are no members and take RTMP within TLS only: pulled from and pushed to by rtmps://, with their certificate
// checked. The other server is a node of its own, in no cluster.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { makeCertificate, type TestCertificate } from '@weir/test/harness/certificate';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type ClipPublisher, faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

describe('another server that is reached by RTMPS', () => {
  let certificate: TestCertificate;
  let outside: TestNode;
  let show: ClipPublisher;
  const started: TestNode[] = [];
  const start = async (relay: PartialConfig['relay'] = {}) => {
    const node = await startTestNode({
      relay: {
        stallTimeoutMs: 300,
        external: [`pulled/*=${outside.urls.rtmps}/outside/{name}`],
        push: [`pushed/*=${outside.urls.rtmps}/target/{name}-secret-key`],
        ...relay,
      },
      stream: { notFoundWaitMs: 10_000 },
    });
    started.push(node);
    return node;
  };
  const failures = (node: TestNode) => node.stats().externals.failures.reduce((sum, { count }) => sum + count, 0);
  const live = (node: TestNode, direction: 'pull' | 'push') =>
    node.stats().externals.links.some((link) => link.direction === direction && link.state === 'live');

  before(async () => {
    certificate = await makeCertificate();
    const { certFile, keyFile } = certificate;
    outside = await startTestNode({ node: { name: 'outside' }, tls: { certFile, keyFile } });
    show = await publishClip(outside.rtmpUrl('outside/show'));
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((node) => node.close()));
  });
  after(async () => {
    await show.close();
    await outside.close();
    certificate.remove();
  });

  it('gives streams and takes them, for longer than it may be silent', async () => {
    const edge = await start({ externalCaFile: certificate.certFile });
    const pulled = await playStream(edge.rtmpUrl('pulled/show'));
    const publisher = await publishClip(edge.rtmpUrl('pushed/mine'));
    await waitFor('the push', () => live(edge, 'push'));
    const pushed = await playStream(outside.rtmpUrl('target/mine-secret-key'));
    await waitFor('frames', () => [pulled, pushed].every((viewer) => viewer.frames(9).length > 60));
    for (const viewer of [pulled, pushed]) {
      assert.deepEqual(faultsOf(viewer), []);
      viewer.close();
    }
    assert.ok(live(edge, 'pull') && live(edge, 'push'));
    assert.equal(failures(edge), 0);
    await publisher.close();
  });

  it('is not talked to when nobody trusts its certificate', async () => {
    const edge = await start();
    const viewer = playStream(edge.rtmpUrl('pulled/show'));
    viewer.catch(() => {}); // the node is closed under it
    await waitFor('two failures', () => failures(edge) >= 2);
    const publisher = await publishClip(edge.rtmpUrl('pushed/mine'));
    await waitFor('a refused push', () =>
      edge.stats().externals.failures.some(({ direction, count }) => direction === 'push' && count > 0),
    );
    assert.ok(!live(edge, 'pull') && !live(edge, 'push'));
    await publisher.close();
    const [, address = ''] = outside.urls.rtmps?.split('//') ?? [];
    const [host = '', port] = address.split(':');
    await assert.rejects(RtmpClient.connect({ host, port: Number(port), app: 'outside', secure: true }), {
      code: 'EDGE_RTMP_TLS',
      message: /^rtmps:\/\/127\.0\.0\.1:\d+\/outside cannot be talked to by TLS: self-signed certificate/,
    });
  });

  it('is talked to whatever its certificate when nobody is to check it', async () => {
    const edge = await start({ externalVerify: false });
    const viewer = await playStream(edge.rtmpUrl('pulled/show'));
    await waitFor('frames', () => viewer.frames(9).length > 10);
    viewer.close();
  });

  it('cannot be vouched for by a file that holds no certificate', async () => {
    for (const externalCaFile of ['/nowhere/ca.pem', certificate.keyFile]) {
      await assert.rejects(start({ externalCaFile }), { code: 'EDGE_EXTERNAL_CA' });
    }
  });
});
