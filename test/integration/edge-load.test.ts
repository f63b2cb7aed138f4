// The load generator: what it calls clean, what it does not, and whom it leaves alone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isClean } from '@weir/cli/load/report';
import { type LoadFigures, type LoadRequest, runLoad } from '@weir/cli/load/run-load';
import { createLogger } from '@weir/contracts/logger';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { CLIP_PATH, publishClip } from '@weir/test/harness/rtmp-viewer';
import { weir } from './cli-process.ts';

describe('weir load', { concurrency: true }, () => {
  let node: TestNode;
  const load = (name: string, request: Partial<LoadRequest>, on = node): Promise<LoadFigures> => {
    const [host = '', port = ''] = on.addresses.rtmp.split(':');
    const target = { host, port: Number(port), app: 'live', name };
    const usual = { viewers: 12, publishers: 0, seconds: 2, joinsPerSecond: 200, sampled: 4, clip: CLIP_PATH };
    const logger = createLogger('load', 'silent');
    return runLoad({ ...usual, target, logger, ...request }, new AbortController().signal);
  };

  before(async () => {
    node = await startTestNode();
  });
  after(() => node.close());

  it('is clean when every viewer of every stream gets all of it in order and in time', async () => {
    const figures = await load('published', { publishers: 2 });
    const { playing, whole, failed, lost, sampled } = figures;
    assert.deepEqual([playing, whole, failed, lost, sampled.backwards], [12, 12, 0, 0, 0]);
    assert.ok(figures.bitsPerSecond.p50 > 500_000, `${figures.bitsPerSecond.p50} bit/s`);
    assert.ok(figures.connectMs.p50 > 0 && figures.firstFrameMs.p50 >= figures.connectMs.p50);
    // How close to real time the last moment was is the machine's affair: half is slow, as below.
    assert.ok(sampled.mediaRate.p50 > 0.7, `${sampled.mediaRate.p50} of real time`);
    const inTime = { ...sampled, mediaRate: { ...sampled.mediaRate, p50: 1 } };
    assert.equal(isClean({ ...figures, sampled: inTime }), true);
  });

  it('is not when the stream comes at half its speed, though everybody gets the same', async () => {
    const publisher = await publishClip(node.rtmpUrl('live/slow'), { speed: 0.5 });
    const figures = await load('slow', {});
    assert.equal(figures.whole, 12);
    assert.equal(isClean(figures), false, `${figures.sampled.mediaRate.p50} of real time`);
    await publisher.close();
  });

  it('counts who is refused, with the words of the server', async (t) => {
    const small = await startTestNode({ limits: { connectionsPerIp: 8 } });
    t.after(() => small.close());
    const publisher = await publishClip(small.rtmpUrl('live/small'));
    const figures = await load('small', {}, small);
    assert.deepEqual([figures.playing, figures.failed, isClean(figures)], [7, 5, false]);
    assert.match(figures.failures[0] ?? '', /has 8 connections/);
    await publisher.close();
  });

  it('counts who is cut off, and does not call them whole', async (t) => {
    const strict = await startTestNode();
    t.after(() => strict.close());
    const publisher = await publishClip(strict.rtmpUrl('live/kicked'));
    const viewers = `${strict.urls.admin}/v1/connections`;
    let isKicked: Promise<void> | undefined;
    const kick = async () => {
      const { connections } = (await (await fetch(viewers)).json()) as { connections: { id: string; role: string }[] };
      const id = connections.find(({ role }) => role === 'viewer')?.id;
      assert.equal((await fetch(`${viewers}/${id}`, { method: 'DELETE' })).ok, true);
    };
    const onProgress: LoadRequest['onProgress'] = ({ phase }) => {
      if (phase === 'measuring') isKicked ??= kick();
    };
    const { playing, lost, whole } = await load('kicked', { onProgress }, strict);
    await isKicked;
    assert.deepEqual([playing, lost, whole], [11, 1, 11]);
    await publisher.close();
  });

  it('loads this machine only unless told that it may, and no more than its bounds', async () => {
    const url = node.rtmpUrl('live/published');
    const cases: [string[], RegExp][] = [
      [['rtmp://192.0.2.1/live/x'], /--yes-i-may.*\[LOAD_NOT_LOOPBACK\]/],
      [[url, '--viewers', '20001'], /--viewers must be a whole number from 0 to 20000.*\[CONFIG_INVALID\]/],
      [[url, '--for', '3601'], /--for must be a whole number from 1 to 3600.*\[CONFIG_INVALID\]/],
    ];
    const results = await Promise.all(cases.map(([args]) => weir(['load', ...args])));
    for (const [index, [, words]] of cases.entries()) {
      assert.match(results[index]?.stderr ?? '', words);
      assert.equal(results[index]?.status, 1);
    }
  });
});
