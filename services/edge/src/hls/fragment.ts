/**
 * One movie fragment (`moof` + `mdat`, ISO/IEC 14496-12 §8.8): the samples of one part, video and audio. Its bytes follow
 * from the samples and their times alone.
 */
import { box, fullBox, u32, u64 } from './boxes.ts';
import { AUDIO_TRACK, VIDEO_TRACK } from './init-segment.ts';

/** A sample with its place in its track, in units of the track's timescale. */
export interface TimedSample {
  data: Buffer;
  duration: number;
  /** Presentation less decoding time. */
  offset: number;
  isKey: boolean;
}

/** Samples of one track. */
export interface Run {
  /** Decoding time of the first sample. */
  start: number;
  samples: readonly TimedSample[];
}

const KEY_FLAGS = 0x02000000;
const DELTA_FLAGS = 0x01010000;
/** Data offset, and duration, size, flags and composition offset of each sample. */
const RUN_FLAGS = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800;
const BASE_IS_MOOF = 0x020000;

/** @param number of the fragment in its stream. @returns one buffer of its own. */
export function fragment(number: number, video: Run | undefined, audio: Run | undefined): Buffer {
  const runs: [number, Run][] = [];
  if (video && video.samples.length > 0) runs.push([VIDEO_TRACK, video]);
  if (audio && audio.samples.length > 0) runs.push([AUDIO_TRACK, audio]);
  const moofAt = (offsets: readonly number[]) =>
    box(
      'moof',
      fullBox('mfhd', 0, 0, u32(number)),
      ...runs.map(([track, run], index) => traf(track, run, offsets[index] ?? 0)),
    );
  // The box's length does not depend on the offsets in it.
  let at = moofAt([]).length + 8;
  const offsets = runs.map(([, run]) => {
    const offset = at;
    at += run.samples.reduce((sum, { data }) => sum + data.length, 0);
    return offset;
  });
  return Buffer.concat([
    moofAt(offsets),
    box('mdat', ...runs.flatMap(([, run]) => run.samples.map(({ data }) => data))),
  ]);
}

function traf(track: number, run: Run, dataOffset: number): Buffer {
  const entries = run.samples.flatMap(({ data, duration, offset, isKey }) => [
    ...[duration, data.length, isKey ? KEY_FLAGS : DELTA_FLAGS, offset],
  ]);
  return box(
    'traf',
    fullBox('tfhd', 0, BASE_IS_MOOF, u32(track)),
    fullBox('tfdt', 1, 0, u64(run.start)),
    fullBox('trun', 1, RUN_FLAGS, u32(run.samples.length, dataOffset, ...entries)),
  );
}
