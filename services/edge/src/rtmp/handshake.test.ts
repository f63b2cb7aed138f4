// The handshake as the library answers it: simple, and with digests (Adobe's, checked here by its own rules).
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { HANDSHAKE_HELLO_BYTES, HANDSHAKE_PACKET_BYTES, Protocol, RTMP_VERSION } from './protocol.ts';

const SUFFIX = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const PLAYER = 'Genuine Adobe Flash Player 001';
const SERVER = 'Genuine Adobe Flash Media Server 001';
const DIGEST_BYTES = 32;
const sign = (key: Buffer | string, data: Buffer) => createHmac('sha256', key).update(data).digest();

/** Where a packet's digest stands, by the two layouts there are. */
function digestAt(packet: Buffer, layout: 0 | 1): number {
  const from = layout === 0 ? 8 : 772;
  const sum = packet.subarray(from, from + 4).reduce((total, byte) => total + byte, 0);
  return (sum % 728) + from + 4;
}

function withoutDigest(packet: Buffer, at: number): Buffer {
  return Buffer.concat([packet.subarray(0, at), packet.subarray(at + DIGEST_BYTES)]);
}

function hello(c1: Buffer): Buffer {
  return Buffer.concat([Buffer.from([RTMP_VERSION]), c1]);
}

function packet(): Buffer {
  return Buffer.from(Array.from({ length: HANDSHAKE_PACKET_BYTES }, (_, i) => (i * 31 + 7) & 0xff));
}

describe('the handshake', () => {
  it('that is simple is answered with S0, S1 and the client’s own bytes as S2', () => {
    const c1 = packet();
    c1.fill(0, 0, 8);
    const answer = new Protocol().answerHandshake(hello(c1));
    assert.equal(answer.length, HANDSHAKE_HELLO_BYTES + HANDSHAKE_PACKET_BYTES);
    assert.equal(answer[0], RTMP_VERSION);
    assert.ok(answer.subarray(HANDSHAKE_HELLO_BYTES).equals(c1));
  });

  for (const layout of [0, 1] as const) {
    it(`with a digest in layout ${layout} is answered with digests that the client can check`, () => {
      const c1 = packet();
      c1.writeUInt32BE(0, 0);
      c1.writeUInt32BE(0x80000702, 4);
      const at = digestAt(c1, layout);
      const digest = sign(PLAYER, withoutDigest(c1, at));
      digest.copy(c1, at);
      const answer = new Protocol().answerHandshake(hello(c1));
      const s1 = answer.subarray(1, HANDSHAKE_HELLO_BYTES);
      const s2 = answer.subarray(HANDSHAKE_HELLO_BYTES);
      assert.equal(s2.length, HANDSHAKE_PACKET_BYTES);
      const isSigned = ([0, 1] as const).some((one) => {
        const where = digestAt(s1, one);
        return sign(SERVER, withoutDigest(s1, where)).equals(s1.subarray(where, where + DIGEST_BYTES));
      });
      assert.ok(isSigned, 'S1 carries the server’s digest');
      const key = sign(Buffer.concat([Buffer.from(SERVER), SUFFIX]), digest);
      const body = s2.subarray(0, HANDSHAKE_PACKET_BYTES - DIGEST_BYTES);
      assert.ok(sign(key, body).equals(s2.subarray(-DIGEST_BYTES)), 'S2 signs the client’s digest');
    });
  }
});
