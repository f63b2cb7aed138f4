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

describe('the player without FLV', { skip: 'skip' in found && found.skip }, () => {
  let node: TestNode;
  let site: PlayerSite;
  let browser: Browser;
  const play = async (stream: string, query = '', prepare?: (page: PlayerPage['page']) => Promise<void>) => {
    const url = encodeURIComponent(node.httpUrl(`/live/${stream}`));
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
    const publisher = await publishClipFrom(node.rtmpUrl('live/walled'), demoClip());
    test.after(() => publisher.close());
    const player = await play('walled', '', async (page) => {
      await page.route(/\.flv/, (route) => route.abort());
      await page.routeWebSocket(/\.flv/, (socket) => socket.close());
    });
    const { transport, edge } = await player.until('the picture', ({ watchedMs }) => watchedMs > 1_000);
    assert.equal(transport, 'hls');
    assert.equal(edge?.node, 'edge-a');
    const [viewer] = node.stats().connections.filter(({ protocol, open }) => protocol === 'hls' && open > 0);
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
