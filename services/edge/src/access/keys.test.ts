/** Who may publish and play by what they hold. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signName } from '@weir/contracts/signed-name';
import type { AccessRequest } from './check.ts';
import { type KeyOptions, keyCheck } from './keys.ts';

const NOW = 1_800_000_000;
const request = (query: string, over: Partial<AccessRequest> = {}): AccessRequest => ({
  action: 'publish',
  app: 'live',
  name: 'demo',
  query: new URLSearchParams(query),
  protocol: 'rtmp',
  address: '192.0.2.1',
  port: 1,
  userAgent: '',
  ...over,
});
const check = (options: Partial<KeyOptions>) =>
  keyCheck({ publish: 'open', play: 'open', signingKeys: [], publishKeys: [], playKeys: [], ...options }, () => NOW);
const answer = async (options: Partial<KeyOptions>, asked: AccessRequest) =>
  (await check(options)(asked))?.refused ?? 'allowed';

describe('keys', () => {
  it('are not needed where an action is open', async () => {
    assert.equal(await answer({ play: 'key', playKeys: ['*=k'] }, request('')), 'allowed');
  });

  it('must be given where an action needs one, and fit the stream', async () => {
    const options = { publish: 'key' as const, publishKeys: ['live/demo=one', 'shop/*=two', '*=master'] };
    const ask = (query: string, app = 'live', name = 'demo') => answer(options, request(query, { app, name }));
    assert.equal(await ask(''), 'key-missing');
    assert.equal(await ask('key=one'), 'allowed');
    assert.equal(await ask('key=two'), 'key-wrong');
    assert.equal(await ask('key=one', 'live', 'other'), 'key-wrong');
    assert.equal(await ask('key=two', 'shop', 'a/b'), 'allowed');
    assert.equal(await ask('key=two', 'shop2', 'a'), 'key-wrong');
    assert.equal(await ask('key=master', 'any', 'thing'), 'allowed');
    assert.equal(await ask('key='), 'key-wrong');
  });

  it('that are signatures hold for their stream and action, and do not turn into a static key', async () => {
    const options = {
      publish: 'key' as const,
      play: 'key' as const,
      signingKeys: ['s'],
      publishKeys: ['*=k'],
      playKeys: ['*=k'],
    };
    const signed = (action: 'publish' | 'play', expires = NOW + 5) =>
      signName({ action, stream: 'live/demo', expires }, 's');
    assert.equal(await answer(options, request(signed('publish'))), 'allowed');
    assert.equal(await answer(options, request(signed('play'), { action: 'play' })), 'allowed');
    assert.equal(await answer(options, request(signed('play'))), 'signature-wrong');
    assert.equal(await answer(options, request(signed('publish'), { name: 'other' })), 'signature-wrong');
    assert.equal(await answer(options, request(signed('publish', NOW - 1))), 'signature-expired');
    assert.equal(await answer(options, request('expires=1&signature=x&key=k')), 'signature-wrong');
  });

  it('that nobody has, or that are written wrong, are refused at the start without telling them', () => {
    assert.throws(() => check({ publish: 'key' }), { code: 'EDGE_ACCESS_NO_KEY' });
    for (const entry of ['geheim', '=geheim', 'live=geheim', 'live/demo=', '*/demo=geheim']) {
      assert.throws(
        () => check({ publishKeys: [entry] }),
        (error: Error & { code: string }) => error.code === 'EDGE_ACCESS_KEY' && !error.message.includes('geheim'),
        entry,
      );
    }
  });
});
