// Which messages are headers, key frames, metadata: legacy FLV and Enhanced RTMP.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeAmf } from '../rtmp/amf0.ts';
import { AUDIO, DATA, toMedia, VIDEO } from './media.ts';

const kind = (type: number, hex: string) => {
  const media = toMedia(type, 0, Buffer.from(hex, 'hex'));
  return media && `${media.kind} ${media.slot}`.trim();
};
const fourCc = (text: string) => Buffer.from(text, 'latin1').toString('hex');

describe('media messages', () => {
  it('of H.264 and AAC are told apart', () => {
    assert.equal(kind(VIDEO, '170000000001640028'), 'header video');
    assert.equal(kind(VIDEO, '1701000000'), 'key');
    assert.equal(kind(VIDEO, '2701000000'), 'frame');
    assert.equal(kind(VIDEO, '1702000000'), 'frame');
    assert.equal(kind(AUDIO, 'af001210'), 'header audio');
    assert.equal(kind(AUDIO, 'af01'), 'audio');
    assert.equal(kind(AUDIO, '2fff'), 'audio');
  });

  it('of Enhanced RTMP are told apart by packet type', () => {
    assert.equal(kind(VIDEO, `90${fourCc('hvc1')}01`), 'header video');
    assert.equal(kind(VIDEO, `91${fourCc('av01')}00`), 'key');
    assert.equal(kind(VIDEO, `a3${fourCc('hvc1')}00`), 'frame');
    assert.equal(kind(VIDEO, `94${fourCc('hvc1')}02`), 'header video:metadata');
    assert.equal(kind(VIDEO, `92${fourCc('hvc1')}`), 'frame');
    assert.equal(kind(AUDIO, `90${fourCc('Opus')}00`), 'header audio');
    assert.equal(kind(AUDIO, `91${fourCc('Opus')}00`), 'audio');
  });

  it('of several tracks keep a header each, past modifiers too', () => {
    assert.equal(kind(VIDEO, `9600${fourCc('hvc1')}02`), 'header video:2');
    assert.equal(kind(AUDIO, `9500${fourCc('mp4a')}01`), 'header audio:1');
    assert.equal(kind(VIDEO, `97020000000${'1'}${fourCc('hvc1')}`), 'key');
  });

  it('that cut short say nothing, and never throw', () => {
    for (const type of [AUDIO, VIDEO, DATA]) {
      for (let first = 0; first < 256; first += 1) {
        for (const tail of ['', '00', 'ff', 'ffff', '00ffff']) {
          kind(type, Buffer.from([first]).toString('hex') + tail);
        }
      }
    }
    assert.equal(kind(VIDEO, ''), undefined);
  });

  it('of metadata lose the publisher’s wrapping', () => {
    const media = toMedia(DATA, 0, encodeAmf('@setDataFrame', 'onMetaData', { width: 1_280 }));
    assert.equal(media?.kind, 'metadata');
    assert.deepEqual(media?.payload, encodeAmf('onMetaData', { width: 1_280 }));
    assert.equal(toMedia(DATA, 0, encodeAmf('@clearDataFrame', 'onMetaData')), undefined);
    assert.equal(toMedia(DATA, 0, encodeAmf('onTextData', {}))?.kind, 'data');
  });
});
