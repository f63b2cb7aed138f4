/** Keeps the tables of the contracts README equal to the catalogue they are generated from. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { withConvention } from './convention-docs.ts';
import { METRICS } from './metrics.ts';

const path = new URL('../README.md', import.meta.url);

describe('the convention in README.md', () => {
  it('says what the catalogue says (UPDATE_DOCS=1 writes it)', () => {
    const written = readFileSync(path, 'utf8');
    const generated = withConvention(written);
    if (process.env.UPDATE_DOCS === '1') writeFileSync(path, generated);
    else assert.equal(written, generated);
  });

  it('has every metric', () => {
    const readme = readFileSync(path, 'utf8');
    assert.deepEqual(
      Object.keys(METRICS).filter((name) => !readme.includes(`\`${name}\``)),
      [],
    );
  });
});

describe('the catalogue', () => {
  it('keeps units out of names and uses UCUM', () => {
    const odd = Object.values(METRICS).filter(
      ({ name, unit }) => /(bytes|seconds|_total|_count)$/.test(name) || !/^(1|s|By|bit\/s|\{[a-z]+\})$/.test(unit),
    );
    assert.deepEqual(odd, []);
  });
});
