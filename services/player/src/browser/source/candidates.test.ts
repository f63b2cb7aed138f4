/** Where the player connects next, without a network. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { candidatesOf, mediaUrl, Rotation, streamOf } from './candidates.ts';

const BASE = 'https://tv.example/player/';

describe('a media URL', () => {
  it('has the scheme and extension of its transport, keeps the query and tells the session', () => {
    const url = (transport: 'ws-flv' | 'http-flv' | 'hls') =>
      mediaUrl('http://e:8080/live/a?sign=x', transport, 's1', BASE).href;
    assert.equal(url('ws-flv'), 'ws://e:8080/live/a.flv?sign=x&info=1&session=s1');
    assert.equal(url('http-flv'), 'http://e:8080/live/a.flv?sign=x&info=1&session=s1');
    assert.equal(url('hls'), 'http://e:8080/live/a.m3u8?sign=x&session=s1');
  });

  it('is as safe as what it was made from, and takes names with their extension', () => {
    assert.equal(mediaUrl('https://e/live/a.flv', 'ws-flv', undefined, BASE).href, 'wss://e/live/a.flv?info=1');
    assert.equal(mediaUrl('/live/a', 'hls', undefined, BASE).href, 'https://tv.example/live/a.m3u8');
  });

  it('names application and stream', () => {
    assert.deepEqual(streamOf(new URL('https://e/live/a%20b.flv?x=1')), { app: 'live', stream: 'a b' });
    assert.deepEqual(streamOf(new URL('https://e/live/100%')), { app: 'live', stream: '100%' });
  });
});

describe('the rotation', () => {
  const candidates = candidatesOf(['http://a/live/x', 'http://b/live/x'], ['ws-flv', 'http-flv'], undefined, BASE);
  const name = (rotation: Rotation) => `${rotation.current.url.host} ${rotation.current.transport}`;

  it('tries every transport of every URL at once, then waits twice as long after each round, up to 5 s', () => {
    const rotation = new Rotation(candidates, () => 0.5);
    const seen: string[] = [];
    const waits: number[] = [];
    for (let round = 0; round < 7; round++) {
      for (let i = 0; i < 4; i++) {
        if (round === 0) seen.push(name(rotation));
        const waitMs = rotation.failed();
        if (i < 3) assert.equal(waitMs, 0);
        else waits.push(waitMs);
      }
    }
    assert.deepEqual(seen, ['a ws-flv', 'a http-flv', 'b ws-flv', 'b http-flv']);
    assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  });

  it('stays with what worked, and begins anew there', () => {
    const rotation = new Rotation(candidates, () => 0.5);
    for (let i = 0; i < 6; i++) rotation.failed();
    rotation.succeeded();
    assert.equal(name(rotation), 'b ws-flv');
    assert.deepEqual([rotation.failed(), rotation.failed(), rotation.failed(), rotation.failed()], [0, 0, 0, 250]);
  });

  it('takes further candidates after the others, or instead of them', () => {
    const [first, ...rest] = candidates;
    assert.ok(first);
    const rotation = new Rotation([first], () => 0.5);
    rotation.failed();
    rotation.append(rest);
    assert.deepEqual([name(rotation), rotation.failed(), name(rotation)], ['a ws-flv', 0, 'a http-flv']);
    rotation.replace(rest.slice(-1));
    assert.deepEqual([name(rotation), rotation.failed()], ['b http-flv', 250]);
  });

  it('is not in step with other viewers', () => {
    const one = candidatesOf(['http://a/live/x'], ['ws-flv'], undefined, BASE);
    assert.equal(new Rotation(one, () => 0).failed(), 187.5);
    assert.equal(new Rotation(one, () => 0.5).failed(), 250);
  });
});
