/** Which streams go to and come from other servers, and what is said of an entry that cannot be used. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseExternalRules, shownUrl, targetsOf } from './external-rules.ts';

const targets = (entry: string, app: string, name: string) =>
  parseExternalRules([entry], 'relay.push').flatMap((rule) => targetsOf(rule, { app, name }));

describe('a rule about another server', () => {
  it('names one stream, the streams of an app, or all', () => {
    assert.equal(targets('live/a=rtmp://h/x/key', 'live', 'a').length, 1);
    assert.equal(targets('live/a=rtmp://h/x/key', 'live', 'b').length, 0);
    assert.equal(targets('live/*=rtmp://h/x/{name}', 'live', 'b').length, 1);
    assert.equal(targets('live/*=rtmp://h/x/{name}', 'other', 'b').length, 0);
    assert.equal(targets('*=rtmp://h/{app}/{name}', 'other', 'b').length, 1);
  });

  it('fills app and name into the URL, whatever characters they have', () => {
    assert.deepEqual(targets('*=rtmp://h:99/{app}/{name}?key=1', 'live', 'room 1/a?b'), [
      { secure: false, host: 'h', port: 99, app: 'live', name: 'room 1/a?b?key=1' },
    ]);
  });

  it('may have several URLs, in the order in which they are tried', () => {
    assert.deepEqual(
      targets('live/*=rtmp://a/x/{name} rtmp://b/x/{name}', 'live', 'n').map(({ host }) => host),
      ['a', 'b'],
    );
  });

  it('shows no key', () => {
    const [target] = targets('live/a=rtmp://h/live2/my-stream-key', 'live', 'a');
    assert.equal(target && shownUrl(target), 'rtmp://h:1935/live2/…');
    const [within] = targets('live/a=rtmps://h/live2/my-stream-key', 'live', 'a');
    assert.equal(within && shownUrl(within), 'rtmps://h:443/live2/…');
  });

  it('is refused with the number of its entry when it cannot be used, and its keys are not repeated', () => {
    for (const [entry, words] of [
      ['rtmp://h/live/secret', /names no stream/],
      ['live/a=', /has no URL/],
      ['live/a=http://h/live/secret', /not RTMP/],
      ['live/*=rtmp://h/live/secret', /lacks \{name\}/],
    ] as const) {
      assert.throws(
        () => parseExternalRules(['live/x=rtmp://h/a/b', entry], 'relay.push'),
        (error: Error) => {
          assert.match(error.message, words);
          assert.match(error.message, /Entry 2 of relay\.push/);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    }
  });
});
