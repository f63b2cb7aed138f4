/** The built player: small enough, the same each time, and nothing heavy before it is needed. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { buildPlayer, type PlayerFiles } from './bundle.ts';

const MAX_GZIPPED_BYTES = 160_000;
const settings = { measure: { url: ':4318/faro/collect', apiKey: '</script><b>', samplingRate: 0.5 } };

describe('the player bundle', () => {
  let files: PlayerFiles;
  before(async () => {
    files = await buildPlayer(settings);
  });

  it('is at most 160 kB gzipped without hls.js', () => {
    const sizes = [...files].filter(([name]) => !name.startsWith('hls')).map(([, file]) => file.gzipped.length);
    const sum = sizes.reduce((total, size) => total + size, 0);
    assert.ok(sum <= MAX_GZIPPED_BYTES, `${sum} bytes`);
    assert.ok(sum > 50_000, `only ${sum} bytes: mpegts.js is missing`);
  });

  it('loads mpegts.js with the page, and Faro only later', () => {
    const page = files.get('')?.body.toString('utf8') ?? '';
    const preloaded = [...page.matchAll(/modulepreload" href="([^"]+)"/g)].map(([, name]) => name ?? '');
    assert.ok(preloaded.some((name) => name.startsWith('flv-playback-')));
    for (const name of preloaded) assert.ok(files.has(name), `${name} is there`);
    assert.ok(!preloaded.some((name) => /^(faro|hls)/.test(name)), preloaded.join(' '));
    assert.ok([...files.keys()].some((name) => name.startsWith('faro-')));
  });

  it('asks for nothing before the first frame but the modules it preloads', () => {
    const page = files.get('')?.body.toString('utf8') ?? '';
    const asked = [...page.matchAll(/<(?:link|script)[^>]* (?:href|src)="(?!data:)([^"]+)"/g)].map(([, name]) => name);
    assert.deepEqual(
      asked.filter((name) => !page.includes(`modulepreload" href="${name}"`)),
      [],
    );
    const [, script = ''] = /<script type="module">(.*?)<\/script>/s.exec(page) ?? [];
    for (const text of [script, files.get('weir-player.js')?.body.toString('utf8') ?? '']) {
      assert.match(text, /new WebSocket\(/);
      assert.doesNotMatch(text, /(^|[;}])import["{*]|from"\.\//, 'it dials before anything else is fetched');
    }
    for (const mark of ['<!--preload-->', '<!--css-->', '<!--script-->']) assert.ok(!page.includes(mark), mark);
  });

  it('is byte for byte the same each time, so that every edge gives the same answers', async () => {
    const again = await buildPlayer(settings);
    assert.deepEqual([...again.keys()], [...files.keys()]);
    for (const [name, { etag }] of again) assert.equal(etag, files.get(name)?.etag, name);
  });

  it('comes with the types of its module, which need nothing else', () => {
    const types = files.get('weir-player.d.ts')?.body.toString('utf8') ?? '';
    assert.match(
      types,
      /export function attachPlayer\(video: HTMLVideoElement, options: AttachOptions\): AttachedPlayer;/,
    );
    assert.doesNotMatch(types, /^import/m);
  });

  it('marks only names with a hash as never changing', () => {
    for (const [name, { immutable }] of files) assert.equal(immutable, /-[A-Z0-9]{8}\.js$/.test(name), name);
  });

  it('tells the page its settings without letting them break out', () => {
    const page = files.get('')?.body.toString('utf8') ?? '';
    assert.ok(!page.includes('</script><b>'));
    const text = /id="config">(.*?)<\/script>/.exec(page)?.[1] ?? '';
    assert.deepEqual(JSON.parse(text), settings);
  });
});
