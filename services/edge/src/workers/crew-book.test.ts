// Sums over workers must be what one process would have counted, also after a worker died.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CloseReason } from '@weir/contracts/events';
import type { MediaObserver } from '../stats.ts';
import { Connections } from '../stream/connections.ts';
import { CrewBook } from './crew-book.ts';

const OBSERVER: MediaObserver = {
  connectionOpened() {},
  connectionClosed() {},
  failover() {},
  clusterChanged() {},
  streamChanged() {},
  adminAction() {},
};

/** Opens a viewer that was sent so many bytes. */
function viewer(book: Connections, bytesWritten: number): (reason: CloseReason) => void {
  const socket = { bytesRead: 10, bytesWritten, writableLength: 0, remoteAddress: '127.0.0.1', remotePort: 1 };
  const about = { app: 'live', stream: 'a', session: '', userAgent: '' };
  const open = book.open({ role: 'viewer', protocol: 'rtmp', ...about, socket });
  return (reason) => open.close(reason);
}

const viewersOf = (book: CrewBook) => {
  const { connections, closed, io } = book.snapshot();
  const row = connections.find(({ role }) => role === 'viewer');
  const ended = closed.filter(({ role }) => role === 'viewer');
  return {
    open: row?.open ?? 0,
    opened: row?.opened ?? 0,
    closed: Object.fromEntries(ended.map(({ reason, count }) => [reason, count])),
    bytesOut: io.find(({ role }) => role === 'viewer')?.bytesOut,
  };
};

describe('the book of a crew', () => {
  it('is the sum of its workers and of what the primary has itself', () => {
    const book = new CrewBook(100, OBSERVER);
    const [one, two] = [new Connections(100, OBSERVER), new Connections(100, OBSERVER)];
    viewer(one, 1_000);
    viewer(two, 500)('slow-viewer');
    viewer(two, 200);
    viewer(book, 30);
    book.told(1, one.snapshot());
    book.told(2, two.snapshot());
    assert.deepEqual(viewersOf(book), { open: 3, opened: 4, closed: { 'slow-viewer': 1 }, bytesOut: 1_730 });
    assert.equal(book.count('viewer'), 3);
    assert.equal(book.viewersOf(2), 1);
    assert.equal(book.snapshot().connectionLimit, 100);
  });

  it('never falls when a worker dies and another begins at zero', () => {
    const book = new CrewBook(100, OBSERVER);
    const dying = new Connections(100, OBSERVER);
    viewer(dying, 1_000);
    viewer(dying, 1_000)('client-closed');
    book.told(1, dying.snapshot());
    const before = viewersOf(book);
    book.lost(1);
    book.lost(1);
    assert.deepEqual(viewersOf(book), { ...before, open: 0, closed: { 'client-closed': 1, error: 1 } });
    const next = new Connections(100, OBSERVER);
    viewer(next, 5);
    book.told(2, next.snapshot());
    assert.deepEqual(viewersOf(book), {
      open: 1,
      opened: 3,
      closed: { 'client-closed': 1, error: 1 },
      bytesOut: 2_005,
    });
  });
});
