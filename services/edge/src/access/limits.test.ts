/** Places and bitrates: what is full, what is given back, what is cut. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BitrateGuard, type StreamTraffic } from './bitrate-guard.ts';
import { Ledger, type Place } from './ledger.ts';
import { parseQuotas } from './quotas.ts';

const reason = (answer: object) => ('refused' in answer ? answer.refused : 'taken');

describe('places', () => {
  it('are limited per client, per stream and per app, and given back once', () => {
    const quotas = parseQuotas(['shop viewers=3 publishers=1']);
    const ledger = new Ledger({ connectionsPerIp: 1, viewersPerStream: 2, quotas });
    const first = ledger.takeConnection('192.0.2.1') as Place;
    assert.equal(reason(ledger.takeConnection('192.0.2.1')), 'ip-limit');
    assert.equal(reason(ledger.takeConnection('192.0.2.2')), 'taken');
    first.release();
    first.release();
    assert.equal(reason(ledger.takeConnection('192.0.2.1')), 'taken');
    assert.equal(reason(ledger.takeConnection('192.0.2.1')), 'ip-limit');

    const role = (action: 'publish' | 'play', name: string, app = 'shop') => ledger.takeRole({ action, app, name });
    const places = [role('play', 'a'), role('play', 'a')] as Place[];
    assert.equal(reason(role('play', 'a')), 'stream-limit');
    assert.equal(reason(role('play', 'b')), 'taken');
    assert.equal(reason(role('play', 'c')), 'app-limit');
    assert.equal(reason(role('play', 'c', 'other')), 'taken');
    assert.equal(reason(role('publish', 'a')), 'taken');
    assert.equal(reason(role('publish', 'b')), 'app-limit');
    for (const place of places) place.release();
    assert.equal(reason(role('play', 'c')), 'taken');
  });

  it('leave nothing behind', () => {
    const ledger = new Ledger({ connectionsPerIp: 0, viewersPerStream: 0, quotas: parseQuotas([]) });
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
    assert.deepEqual(quotas('shop'), { viewers: 3, bitsPerSecond: 1000 });
    assert.deepEqual(quotas('live'), { publishers: 1 });
    assert.deepEqual(parseQuotas([])('live'), {});
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

describe('bitrates', () => {
  const guardOf = (streams: StreamTraffic[], bitsPerPublisher: number, apps: string[] = []) =>
    new BitrateGuard({ limits: { bitsPerPublisher, quotas: parseQuotas(apps) }, streams: () => streams });

  it('close a publisher that stays over its limit, and none that bursts', () => {
    const revoked: string[] = [];
    const stream = (name: string): StreamTraffic => ({
      app: 'live',
      name,
      bytesIn: 0,
      bytesOut: 0,
      revoke: (why) => revoked.push(`${name} ${why}`),
    });
    const [steady, bursty, greedy] = [stream('steady'), stream('bursty'), stream('greedy')] as [
      StreamTraffic,
      StreamTraffic,
      StreamTraffic,
    ];
    const guard = guardOf([steady, bursty, greedy], 8_000);
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

  it('keep new viewers out of an app that is sent all it may, until it is sent less', () => {
    const stream: StreamTraffic = { app: 'shop', name: 'a', bytesIn: 0, bytesOut: 0, revoke: undefined };
    const guard = guardOf([stream], 0, ['shop bitsPerSecond=8000']);
    let second = 0;
    const send = (bytes: number, seconds: number) => {
      for (let i = 0; i < seconds; i += 1) {
        stream.bytesOut += bytes;
        second += 1;
        guard.look(second * 1_000);
      }
    };
    send(900, 60);
    assert.equal(guard.isOver('shop'), false);
    send(1_200, 10);
    assert.equal(guard.isOver('shop'), true);
    assert.equal(guard.isOver('other'), false);
    send(500, 20);
    assert.equal(guard.isOver('shop'), false);
    guard.close();
  });
});
