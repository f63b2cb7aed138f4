/** Codec names of known decoder configurations. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codecName } from './codec-names.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const audio = { sampleRate: 48_000, channels: 2 };

describe('codec names', () => {
  it('tell profile and level of H.264', () => {
    assert.equal(codecName({ codec: 'avc1', data: bytes('0164001fffe1') }), 'avc1.64001f');
  });

  it('tell profile, compatibility, tier, level and constraints of HEVC', () => {
    const main = bytes('0101600000009000000000005df000fcfdf8f800000f');
    assert.equal(codecName({ codec: 'hvc1', data: main }), 'hvc1.1.6.L93.90');
    const main10High = bytes('0122200000009000000000007bf000fcfdfafa00000f');
    assert.equal(codecName({ codec: 'hvc1', data: main10High }), 'hvc1.2.4.H123.90');
  });

  it('tell the kind of AAC, and Opus', () => {
    assert.equal(codecName({ codec: 'mp4a', data: bytes('1190'), ...audio }), 'mp4a.40.2');
    assert.equal(codecName({ codec: 'mp4a', data: bytes('2b11880000'), ...audio }), 'mp4a.40.5');
    assert.equal(codecName({ codec: 'mp4a', data: bytes('f9480000'), ...audio }), 'mp4a.40.42');
    assert.equal(codecName({ codec: 'Opus', data: bytes('4f70757348656164'), ...audio }), 'opus');
  });
});
