/** Signed names: what holds, and everything that must not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type SignedAction, signName, verifyName } from './signed-name.ts';

const NOW = 1_800_000_000;
const signed = (action: SignedAction, stream: string, expires = NOW + 60, key = 'k1') =>
  new URLSearchParams(signName({ action, stream, expires }, key));
const verdict = (query: URLSearchParams, action: SignedAction = 'publish', stream = 'live/demo', keys = ['k1']) =>
  verifyName({ action, stream }, query, keys, NOW);

describe('a signed name', () => {
  it('holds for its action and stream until it expires', () => {
    assert.equal(verdict(signed('publish', 'live/demo')), 'valid');
    assert.equal(verdict(signed('publish', 'live/demo', NOW)), 'expired');
  });

  it('is worth nothing for another stream, another action, or with a later expiry', () => {
    const query = signed('publish', 'live/demo');
    assert.equal(verdict(query, 'publish', 'live/other'), 'wrong');
    assert.equal(verdict(query, 'play'), 'wrong');
    query.set('expires', String(NOW + 61));
    assert.equal(verdict(query), 'wrong');
  });

  it('cannot be split at another place: names with line ends do not collide', () => {
    assert.equal(verdict(signed('publish', 'live/demo\n1'), 'publish', 'live/demo'), 'wrong');
  });

  it('may be signed by any key in force, and by no other', () => {
    assert.equal(
      verdict(signed('publish', 'live/demo', NOW + 60, 'old'), 'publish', 'live/demo', ['new', 'old']),
      'valid',
    );
    assert.equal(
      verdict(signed('publish', 'live/demo', NOW + 60, 'older'), 'publish', 'live/demo', ['new', 'old']),
      'wrong',
    );
    assert.equal(verdict(signed('publish', 'live/demo'), 'publish', 'live/demo', []), 'wrong');
  });

  it('is told from a name that was never signed, and nonsense is wrong', () => {
    assert.equal(verdict(new URLSearchParams('expires=99999999999')), 'unsigned');
    for (const nonsense of ['signature=', 'signature=x', 'signature=x&expires=-1', 'signature=x&expires=1e99']) {
      assert.equal(verdict(new URLSearchParams(nonsense)), 'wrong', nonsense);
    }
  });

  it('can be made by anybody with the key and an HMAC: the format is fixed', () => {
    const query = signName({ action: 'play', stream: 'live/demo', expires: 1_900_000_000 }, 'secret');
    assert.equal(query, 'expires=1900000000&signature=hAS9n96JpqE2w1sfuTT66XC6grOBBktmcJ3EpWidyLg');
  });
});
