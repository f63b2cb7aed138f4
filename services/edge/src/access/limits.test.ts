/** Places and bitrates of publishers: what is full, what is given back, what is cut. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BitrateGuard, type StreamTraffic } from './bitrate-guard.ts';
import { Ledger, type Place } from './ledger.ts';
import { parseQuotas } from './quotas.ts';

const reason = (answer: object) => ('refused' in answer ? answer.refused : 'taken');

describe('places', () => {
  it('are limited per client and per stream, and given back once', () => {
    const ledger = new Ledger({ connectionsPerIp: 1, viewersPerStream: 2 });
    const first = ledger.takeConnection('192.0.2.1') as Place;
    assert.equal(reason(ledger.takeConnection('192.0.2.1')), 'ip-limit');
    assert.equal(reason(ledger.takeConnection('192.0.2.2')), 'taken');
    first.release();
    first.release();
    assert.equal(reason(ledger.takeConnection('192.0.2.1')), 'taken');
    assert.equal(reason(ledger.takeConnection('192.0.2.1')), 'ip-limit');

    const role = (action: 'publish' | 'play', name: string) => ledger.takeRole({ action, app: 'shop', name });
    const places = [role('play', 'a'), role('play', 'a'), role('publish', 'a')] as Place[];
    assert.equal(reason(role('play', 'a')), 'stream-limit');
    assert.deepEqual(ledger.countsOf('shop'), { viewers: 2, publishers: 1 });
    assert.deepEqual(ledger.newest('play', 'shop', 1), [places[1]]);
    for (const place of places) place.release();
    for (const place of places) place.release();
    assert.deepEqual(ledger.countsOf('shop'), { viewers: 0, publishers: 0 });
    assert.equal(reason(role('play', 'a')), 'taken');
  });

  it('leave nothing behind', () => {
    const ledger = new Ledger({ connectionsPerIp: 0, viewersPerStream: 0 });
    const places = Array.from({ length: 100 }, (_, i) => [
      ledger.takeConnection(`192.0.2.${i}`),
      ledger.takeRole({ action: i % 2 ? 'play' : 'publish', app: `app${i}`, name: 'x' }),
    ]).flat() as Place[];
    assert.ok(ledger.size > 0);
    for (const place of places) place.release();
    assert.equal(ledger.size, 0);
  });
});

describe('quotas', () => {
  it('are read by app, with * for all others', () => {
    const quotas = parseQuotas(['shop viewers=3 bitsPerSecond=1000', '* publishers=1']);
    assert.deepEqual(quotas.of('shop'), { viewers: 3, bitsPerSecond: 1000 });
    assert.deepEqual(quotas.of('live'), { publishers: 1 });
    assert.deepEqual([parseQuotas([]).of('live'), parseQuotas([]).isAny], [{}, false]);
  });

  it('that cannot be read are refused by entry', () => {
    for (const entry of [
      'shop',
      'shop viewer=3',
      'shop viewers=x',
      'shop viewers=-1',
      'viewers=3',
      'a/b viewers=1',
      '',
    ]) {
      assert.throws(() => parseQuotas([entry]), { code: 'EDGE_APP_QUOTA' }, entry);
    }
  });
});

describe('the bitrate of a publisher', () => {
  it('that stays over its limit ends it, and none that bursts', () => {
    const revoked: string[] = [];
    const stream = (name: string): StreamTraffic => ({
      app: 'live',
      name,
      bytesIn: 0,
      revoke: (why) => revoked.push(`${name} ${why}`),
    });
    const [steady, bursty, greedy] = [stream('steady'), stream('bursty'), stream('greedy')];
    const guard = new BitrateGuard({ bitsPerPublisher: 8_000, streams: () => [steady, bursty, greedy] });
    let revokedAt = 0;
    for (let second = 1; second <= 60; second += 1) {
      steady.bytesIn += 1_000;
      bursty.bytesIn += second % 10 === 0 ? 10_000 : 0;
      greedy.bytesIn += 2_000;
      guard.look(second * 1_000);
      if (revoked.length > 0 && revokedAt === 0) revokedAt = second;
    }
    guard.close();
    assert.deepEqual(new Set(revoked), new Set(['greedy bitrate-limit']));
    assert.ok(revokedAt >= 10 && revokedAt <= 12, `after ${revokedAt} s`);
  });

  it('counts nothing of a time without a limit, nor what came to the stream by a relay', () => {
    const revoked: string[] = [];
    const stream: StreamTraffic = { app: 'live', name: 'old', bytesIn: 0, revoke: (why) => revoked.push(why) };
    const guard = new BitrateGuard({ bitsPerPublisher: 0, streams: () => [stream] });
    const look = (second: number) => {
      stream.bytesIn += 900;
      guard.look(second * 1_000);
    };
    for (let second = 1; second <= 3_600; second += 1) look(second);
    guard.bitsPerPublisher = 8_000; // a reload
    const { revoke } = stream;
    for (let second = 3_601; second <= 3_620; second += 1) look(second);
    stream.revoke = undefined;
    stream.bytesIn += 10_000_000;
    look(3_621);
    stream.revoke = revoke;
    for (let second = 3_622; second <= 3_640; second += 1) look(second);
    guard.close();
    assert.deepEqual(revoked, []);
  });
});
