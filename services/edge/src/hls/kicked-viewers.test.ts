/** Who is kept out after a kick, for how long, and that the memory of it has a bound. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { KickedViewers } from './kicked-viewers.ts';

const from = (remoteAddress: string, userAgent = 'player') =>
  ({ socket: { remoteAddress }, headers: { 'user-agent': userAgent } }) as IncomingMessage;
const MINUTE_MS = 60_000;

describe('kicked viewers', () => {
  it('are kept out of their stream for a minute, by session, and without one by address and program', () => {
    const kicked = new KickedViewers();
    kicked.add('live/a', from('10.0.0.1'), 'his', 0);
    const isOut = (stream: string, request: IncomingMessage, session: string, nowMs = MINUTE_MS - 1) =>
      kicked.has(stream, request, session, nowMs);
    assert.equal(isOut('live/a', from('10.0.0.1'), 'his'), true);
    assert.equal(isOut('live/a', from('10.0.0.2'), 'his'), true, 'from another network');
    assert.equal(isOut('live/a', from('10.0.0.1'), ''), true, 'without the session');
    assert.equal(isOut('live/a', from('10.0.0.1'), 'hers'), false, 'somebody else behind the address');
    assert.equal(isOut('live/a', from('10.0.0.1', 'browser'), ''), false, 'another program');
    assert.equal(isOut('live/b', from('10.0.0.1'), 'his'), false, 'another stream');
    assert.equal(isOut('live/a', from('10.0.0.1'), 'his', MINUTE_MS), false, 'after a minute');
  });

  it('are forgotten when their time is over, and the first of them when there are very many', () => {
    const kicked = new KickedViewers();
    kicked.add('live/a', from('10.0.0.1'), 'first', 0);
    for (let i = 0; i < 2_000; i++) kicked.add('live/a', from('10.0.0.2'), `s${i}`, 1);
    assert.equal(kicked.has('live/a', from('10.0.0.1'), 'first', 2), false);
    assert.equal(kicked.has('live/a', from('10.0.0.2'), 's1999', 2), true);
    kicked.sweep(MINUTE_MS + 1);
    assert.equal(kicked.has('live/a', from('10.0.0.2'), 's1999', 2), false);
  });
});
