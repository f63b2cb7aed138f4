// Stream names and URLs as clients write them, and those that are refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRtmpUrl, parseStreamName } from './names.ts';

const parsed = (app: string, name: string) => {
  const stream = parseStreamName(app, name);
  return stream && [stream.app, stream.name, stream.query.toString()];
};

describe('stream names', () => {
  it('are the app, the rest as name, and the query of either', () => {
    assert.deepEqual(parsed('live', 'demo'), ['live', 'demo', '']);
    assert.deepEqual(parsed('live/', '/demo?session=1'), ['live', 'demo', 'session=1']);
    assert.deepEqual(parsed('live/room', 'key'), ['live', 'room/key', '']);
    assert.deepEqual(parsed('live?a=1&b=1', 'demo?b=2'), ['live', 'demo', 'a=1&b=2']);
  });

  it('are refused when empty, over-long, climbing or with control characters', () => {
    for (const [app, name] of [
      ['', 'demo'],
      ['live', ''],
      ['live', '?a=1'],
      ['live', '../x'],
      ['live', 'a//b'],
      ['..', 'x'],
      ['live', 'a\u0000b'],
      ['live', 'x'.repeat(256)],
      ['é'.repeat(128), 'x'],
    ] as const) {
      assert.equal(parsed(app, name), undefined, `${app} ${name}`);
    }
  });
});

describe('RTMP URLs', () => {
  it('are taken apart', () => {
    const demo = { host: 'host', app: 'live', name: 'demo' };
    assert.deepEqual(parseRtmpUrl('rtmp://host/live/demo'), { ...demo, secure: false, port: 1935 });
    assert.deepEqual(parseRtmpUrl('rtmps://host/live/demo'), { ...demo, secure: true, port: 443 });
    assert.deepEqual(parseRtmpUrl('rtmp://[::1]:1936/live/a/b?x=1'), {
      secure: false,
      host: '::1',
      port: 1936,
      app: 'live',
      name: 'a/b?x=1',
    });
  });

  it('that lack a part are none', () => {
    for (const url of ['rtmp://host/live', 'http://host/live/demo', 'host', 'rtmp:///live/demo']) {
      assert.equal(parseRtmpUrl(url), undefined, url);
    }
  });
});
