/** The player where FLV can't be played: it comes to HLS by itself, and says so when nothing helps. In a real Chromium. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { findChromium, launchChromium, openPlayer, type PlayerPage } from '@weir/test/harness/browser';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { demoClip, encodeClip, publishClipFrom } from '@weir/test/harness/enhanced-flv';
import { type PlayerSite, startPlayerSite } from '@weir/test/harness/player-site';
import { waitFor } from '@weir/test/harness/wait';
import type { Browser } from 'playwright-core';

const found = await findChromium();

describe('the player without FLV', { concurrency: 2, skip: 'skip' in found && found.skip }, () => {
  let node: TestNode;
  let site: PlayerSite;
  let browser: Browser;
  const play = async (
    stream: string,
    query = '',
    prepare?: (page: PlayerPage['page']) => Promise<void>,
    edge: TestNode = node,
  ) => {
    const url = encodeURIComponent(edge.httpUrl(`/live/${stream}`));
    return openPlayer(browser, `${site.url}/player/?url=${url}${query}`, undefined, prepare);
  };

  before(async () => {
    if (!('path' in found)) return;
    [node, site, browser] = await Promise.all([startTestNode(), startPlayerSite(), launchChromium(found.path)]);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
    await node?.close();
  });

  it('comes to HLS when the network lets neither WebSocket nor endless answers through', async (test) => {
    // Of its own, to count its viewers.
    const alone = await startTestNode({ node: { name: 'edge-alone' } });
    test.after(() => alone.close());
    const publisher = await publishClipFrom(alone.rtmpUrl('live/walled'), demoClip());
    test.after(() => publisher.close());
    const wall = async (page: PlayerPage['page']) => {
      await page.route(/\.flv/, (route) => route.abort());
      await page.routeWebSocket(/\.flv/, (socket) => socket.close());
    };
    const player = await play('walled', '', wall, alone);
    const { transport, edge } = await player.until('the picture', ({ watchedMs }) => watchedMs > 1_000);
    assert.equal(transport, 'hls');
    assert.equal(edge?.node, 'edge-alone');
    const [viewer] = alone.stats().connections.filter(({ protocol, open }) => protocol === 'hls' && open > 0);
    assert.equal(viewer?.open, 1, 'one viewer, however often it asks');
    await player.leave();
  });

  it('comes to HLS when the codec can be played, but not by FLV', async (test) => {
    // H.264 by FourCC (Enhanced RTMP v2) is new to mpegts.js; in HLS it is H.264.
    const publisher = await publishClipFrom(
      node.rtmpUrl('live/fourcc'),
      await encodeClip({ video: 'avc1', audio: 'mp4a' }),
    );
    test.after(() => publisher.close());
    const player = await play('fourcc');
    const { transport } = await player.until('the picture', ({ watchedMs }) => watchedMs > 1_000);
    assert.equal(transport, 'hls');
    await player.leave();
  });

  it('plays Opus, by FLV and by HLS', async (test) => {
    const publisher = await publishClipFrom(
      node.rtmpUrl('live/opus'),
      await encodeClip({ video: 'avc1', audio: 'Opus' }),
    );
    test.after(() => publisher.close());
    const player = await play('opus', '&transport=hls');
    await player.until('the picture', ({ watchedMs }) => watchedMs > 2_000);
    const heard = await player.page.evaluate("document.querySelector('video').webkitAudioDecodedByteCount");
    assert.ok(Number(heard) > 10_000, `${heard} bytes of sound decoded`);
    await player.leave();
  });

  it('says that the browser can’t play it when neither FLV nor HLS helps', async (test) => {
    // Debian's Chromium has no HEVC.
    const publisher = await publishClipFrom(
      node.rtmpUrl('live/hevc'),
      await encodeClip({ video: 'hvc1', audio: 'mp4a' }),
    );
    test.after(() => publisher.close());
    const player = await play('hevc');
    await waitFor('the message', async () => (await player.message()) === 'This browser can’t play it');
    assert.equal((await player.stats()).state, 'unsupported');
    await player.screenshot('player-unsupported');
    await player.leave();
  });

  it('goes on by HLS when the publisher was away and comes back, and over a publisher that counts anew', async (test) => {
    const first = await publishClipFrom(node.rtmpUrl('live/back'), demoClip());
    const player = await play('back', '&transport=hls');
    await player.until('the picture', ({ watchedMs }) => watchedMs > 2_000);
    await first.close();
    await waitFor('a standing picture', async () => (await player.stats()).state !== 'playing');
    const second = await publishClipFrom(node.rtmpUrl('live/back'), demoClip(), 3_600_000);
    test.after(() => second.close());
    const before = await player.stats();
    const { watchedMs } = await player.until(
      'the picture again',
      (stats) => stats.state === 'playing' && stats.framesDecoded > before.framesDecoded + 40,
      60_000,
    );
    second.countFrom(0);
    await player.until(
      'the picture of the new count',
      (stats) => stats.state === 'playing' && stats.watchedMs > watchedMs + 8_000,
      60_000,
    );
    await player.leave();
  });

  it('stays with FLV when its edge was only away for a while', async (test) => {
    const publisher = await publishClipFrom(node.rtmpUrl('live/blip'), demoClip());
    test.after(() => publisher.close());
    const player = await play('blip');
    const before = await player.until('three settled seconds', ({ watchedMs }) => watchedMs > 3_500);
    await player.context.setOffline(true);
    await player.page.evaluate('window.weirPlayer.pause()');
    await player.page.evaluate('window.weirPlayer.play()');
    await player.context.setOffline(false);
    const seen = await player.until(
      'the picture again',
      ({ state, framesDecoded }) => state === 'playing' && framesDecoded > before.framesDecoded + 20,
    );
    assert.equal(seen.transport, 'ws-flv');
    await player.leave();
  });
});
