/**
 * Names of codecs as playlists and browsers know them (RFC 6381), read out of the decoder configuration: so that a player
 * can tell before the first segment whether it can play it.
 */
import type { TrackConfig } from './codecs.ts';

/** `avc1.64001f`, `hvc1.1.6.L93.B0`, `mp4a.40.2`, `opus`. */
export function codecName({ codec, data }: TrackConfig): string {
  if (codec === 'avc1') return `avc1.${data.toString('hex', 1, 4)}`;
  if (codec === 'hvc1') return hevcName(data);
  return codec === 'mp4a' ? `mp4a.40.${audioObjectType(data)}` : 'opus';
}

/** ISO/IEC 14496-15 annex E.3, out of an HEVCDecoderConfigurationRecord (§8.3.3.1). */
function hevcName(data: Buffer): string {
  if (data.length < 13) return 'hvc1';
  const profile = data.readUInt8(1);
  const space = ['', 'A', 'B', 'C'][profile >> 6] ?? '';
  const tier = (profile & 0x20) === 0 ? 'L' : 'H';
  const constraints = [...data.subarray(6, 12)];
  while (constraints.at(-1) === 0) constraints.pop();
  return [
    'hvc1',
    `${space}${profile & 0x1f}`,
    reversed(data.readUInt32BE(2)).toString(16),
    `${tier}${data.readUInt8(12)}`,
    ...constraints.map((byte) => byte.toString(16)),
  ].join('.');
}

/** The bits of a 32-bit number in opposite order. */
function reversed(bits: number): number {
  let result = 0;
  for (let bit = 0; bit < 32; bit += 1) result = (result << 1) | ((bits >>> bit) & 1);
  return result >>> 0;
}

/** ISO/IEC 14496-3 §1.6.2.1. */
function audioObjectType(data: Buffer): number {
  const [first = 0, second = 0] = data;
  const type = first >> 3;
  return type === 31 ? 32 + (((first & 0x07) << 3) | (second >> 5)) : type;
}
