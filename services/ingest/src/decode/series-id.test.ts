/** Series ids are part of the data's format: they must never change, and never mix two series. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seriesId, seriesIdText } from './series-id.ts';

const OWNER = { cluster: 'weir', site: 'default', machineId: 'm1', node: 'edge-1' };
const idOf = (metric: string, attributes: Record<string, string>, owner = OWNER) =>
  seriesIdText(seriesId(owner, metric, attributes));

describe('a series id', () => {
  it('is what it always was', () => {
    assert.equal(idOf('live.io', { role: 'viewer', 'network.io.direction': 'transmit' }), '15766193692606545705');
    assert.equal(idOf('live.streams', {}), '11251232302169232552');
  });

  it('does not depend on the order of attributes', () => {
    assert.equal(idOf('m', { a: '1', b: '2' }), idOf('m', { b: '2', a: '1' }));
  });

  it('differs whenever anything of the series differs, also where texts run into each other', () => {
    const ids = [
      idOf('m', {}),
      idOf('m', { a: '' }),
      idOf('m', { a: '1' }),
      idOf('m', { a1: '' }),
      idOf('m', { a: '1', b: '' }),
      idOf('m', { a: '1b' }),
      idOf('ma', {}),
      idOf('m', {}, { ...OWNER, node: '' }),
      idOf('m', {}, { ...OWNER, machineId: 'm1e', node: 'dge-1' }),
      idOf('m', {}, { ...OWNER, site: '' }),
      idOf('m', {}, { ...OWNER, cluster: '' }),
    ];
    assert.equal(new Set(ids).size, ids.length);
  });

  it('spreads 200,000 series without a collision', () => {
    const ids = new Set<string>();
    for (let i = 0; i < 200_000; i++) ids.add(idOf('m', { stream: `s${i}` }));
    assert.equal(ids.size, 200_000);
  });
});
