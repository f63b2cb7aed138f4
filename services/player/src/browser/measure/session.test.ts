/** The viewer's session: over reloads of its tab, for four hours, in the sample by its share, and without any storage. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { currentSession, forgetSession } from './session.ts';

const HOUR_MS = 3_600_000;

/** A tab's storage, as far as the session needs one. */
function giveStorage(): Map<string, string> {
  const items = new Map<string, string>();
  Object.defineProperty(globalThis, 'sessionStorage', {
    configurable: true,
    value: {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => items.set(key, value),
      removeItem: (key: string) => items.delete(key),
    },
  });
  return items;
}

describe('the session', () => {
  afterEach(() => {
    Reflect.deleteProperty(globalThis, 'sessionStorage');
  });

  it('lasts over reloads of the tab for four hours, in or out of the sample as it began', (test) => {
    test.mock.timers.enable({ apis: ['Date'] });
    giveStorage();
    const first = currentSession(1);
    assert.match(first.id, /^[\w-]{16}$/);
    assert.equal(first.sampled, true);
    test.mock.timers.tick(4 * HOUR_MS - 1);
    const reloaded = currentSession(0);
    assert.deepEqual([reloaded.id, reloaded.sampled], [first.id, true]);
    test.mock.timers.tick(1);
    const next = currentSession(0);
    assert.notEqual(next.id, first.id);
    assert.equal(next.sampled, false);
  });

  it('is in the sample by its share', (test) => {
    const sampled = (random: number, share: number) => {
      giveStorage();
      test.mock.method(Math, 'random', () => random);
      return currentSession(share).sampled;
    };
    assert.deepEqual([sampled(0.09, 0.1), sampled(0.11, 0.1)], [true, false]);
    assert.deepEqual([sampled(0, 0), sampled(0.999, 1)], [false, true]);
  });

  it('is forgotten when consent is taken back, begun anew when what is stored is broken, and lives without storage', () => {
    const items = giveStorage();
    const { id } = currentSession(1);
    forgetSession();
    assert.equal(items.size, 0);
    assert.notEqual(currentSession(1).id, id);
    for (const [key] of items) items.set(key, '{"id":1}');
    assert.match(currentSession(1).id, /^[\w-]{16}$/);
    Reflect.deleteProperty(globalThis, 'sessionStorage');
    assert.notEqual(currentSession(1).id, currentSession(1).id);
    forgetSession();
  });
});
