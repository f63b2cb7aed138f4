/** Where clients are sent that are asked to connect anew. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reconnectStatus } from './reconnect.ts';

describe('a request to reconnect', () => {
  const request = { description: 'Drain.', from: '10.0.0.1:1935', to: ['10.0.0.2:1935', '[2001:db8::3]:1936'] };
  const tcUrl = (from: string, turn = 0, to = request.to) => reconnectStatus(from, { ...request, to }, turn).tcUrl;

  it('names another node to who connected to this one itself, in turn, with app and query kept', () => {
    assert.equal(tcUrl('rtmp://10.0.0.1/live?key=a'), 'rtmp://10.0.0.2:1935/live?key=a');
    assert.equal(tcUrl('rtmp://10.0.0.1:1935/live', 1), 'rtmp://[2001:db8::3]:1936/live');
    assert.equal(tcUrl('rtmp://10.0.0.1:1935/live', 2), 'rtmp://10.0.0.2:1935/live');
  });

  it('names none to who came by another name, securely, or when nobody else is there', () => {
    assert.equal(tcUrl('rtmp://live.example/live'), undefined);
    assert.equal(tcUrl('rtmps://10.0.0.1:1935/live'), undefined);
    assert.equal(tcUrl('rtmp://10.0.0.1/live', 0, []), undefined);
    assert.equal(tcUrl('no url'), undefined);
  });
});
