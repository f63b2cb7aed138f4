/** What an address of HLS says: stream, file, session, what is waited for, and what its files are asked for with. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HlsPaths } from './hls-request.ts';

describe('an address of HLS', () => {
  const paths = new HlsPaths();
  const parse = (url: string) => {
    const request = paths.parse(url);
    assert.ok(request, url);
    return request;
  };

  it('names a playlist or a file of a stream, whose name may have slashes', () => {
    assert.deepEqual(parse('/live/demo.m3u8').path, {
      ...{ app: 'live', name: 'demo', key: 'live/demo', file: '', media: undefined },
    });
    assert.deepEqual(parse('/live/a/b/hls/1z-12.3.m4s?session=s').path, {
      ...{ app: 'live', name: 'a/b', key: 'live/a/b', file: '1z-12.3.m4s' },
      media: { epoch: 71, segment: 12, part: 3 },
    });
    assert.equal(parse('/live/demo/hls/init-0a.mp4').path.media, undefined);
    for (const url of ['/live/demo.flv', '/demo.m3u8', '/live/demo/hls/a%2Fb', '/live/%ZZ.m3u8', '/streams', ''])
      assert.equal(paths.parse(url), undefined, url);
  });

  it('tells who asks and what for', () => {
    const first = parse('/live/demo.m3u8?key=a');
    assert.deepEqual([first.session, first.isFirst, first.isBlocking], ['', true, false]);
    const reload = parse('/live/demo.m3u8?session=a%20b+c&_HLS_msn=7&_HLS_part=2');
    assert.deepEqual([reload.session, reload.isFirst, reload.isBlocking], ['a b c', false, true]);
    assert.deepEqual([reload.segment, reload.part], [7, 2]);
    assert.equal(reload.stream.query.get('session'), 'a b c');
    const odd = parse(`/live/demo.m3u8?session=%ZZ${'x'.repeat(200)}&_HLS_msn=-1&_HLS_part`);
    assert.deepEqual([odd.session.length, odd.isBlocking, odd.segment, odd.part], [100, true, undefined, undefined]);
    assert.ok(odd.session.startsWith('%ZZx'), 'what is not encoded well is taken as it is');
  });

  it('cuts a session in a way that it can be handed on, whatever it is made of', () => {
    const request = parse(`/live/demo.m3u8?session=${'a'.repeat(99)}${encodeURIComponent('😀')}`);
    assert.equal(request.session.length, 100);
    assert.match(request.fileQuery(request.session), /^\?session=a{99}%EF%BF%BD$/);
  });

  it('hands on to files what is not the playlist’s own, and cannot end a quoted address', () => {
    const request = parse('/live/demo.m3u8?_HLS_msn=7&key="a"&session=old&sign=b');
    assert.equal(request.fileQuery('new one'), '?key=%22a%22&sign=b&session=new%20one');
    assert.equal(parse('/live/demo.m3u8').fileQuery(''), '');
  });
});
