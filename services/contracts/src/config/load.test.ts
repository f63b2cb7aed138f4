/** Where a configuration value comes from, which one wins, and what is said of one that cannot be used. */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { configLeaves, loadConfig, redactConfig } from './load.ts';

const file = (content: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'weir-config-')), 'weir.yaml');
  writeFileSync(path, content);
  return path;
};

describe('configuration', () => {
  it('has every key by default', () => {
    const config = loadConfig();
    assert.equal(config.rtmp.port, 1935);
    assert.deepEqual(config.nats.servers, ['nats://127.0.0.1:4222']);
  });

  it('lets the environment win over the file and flags over both', () => {
    const config = loadConfig({
      file: file('rtmp: { port: 1, chunkSizeBytes: 4096 }\nhttp: { port: 1 }\nsite: here'),
      env: { WEIR_RTMP_PORT: '2', WEIR_HTTP_PORT: '2', PATH: '/bin' },
      flags: { 'http-port': '3', 'nats-servers': 'nats://a:1, nats://b:2' },
    });
    assert.equal(config.rtmp.port, 2);
    assert.equal(config.rtmp.chunkSizeBytes, 4096);
    assert.equal(config.http.port, 3);
    assert.equal(config.site, 'here');
    assert.deepEqual(config.nats.servers, ['nats://a:1', 'nats://b:2']);
  });

  it('refuses an unknown key with the nearest known one, wherever it comes from', () => {
    const refused = (sources: Parameters<typeof loadConfig>[0], words: RegExp) =>
      assert.throws(() => loadConfig(sources), { code: 'CONFIG_UNKNOWN_KEY', message: words });
    refused({ file: file('rtmp: { prot: 1 }') }, /"rtmp\.prot".*Did you mean "rtmp\.port"/);
    refused({ env: { WEIR_RTMP_PROT: '1' } }, /WEIR_RTMP_PROT.*WEIR_RTMP_PORT/);
    refused({ flags: { 'rtmp-prot': '1' } }, /--rtmp-prot.*--rtmp-port/);
  });

  it('names key and value of what it cannot use', () => {
    const invalid = (sources: Parameters<typeof loadConfig>[0], words: RegExp) =>
      assert.throws(() => loadConfig(sources), { code: 'CONFIG_INVALID', message: words });
    invalid({ file: file('rtmp: { port: 70000 }') }, /"rtmp\.port".*70000/);
    invalid({ file: file('rtmp: 7') }, /"rtmp".*mapping/);
    invalid({ flags: { 'rtmp-port': 'x' } }, /--rtmp-port.*whole number.*"x"/);
    invalid({ file: file('node: { role: egde }') }, /"node\.role".*egde/);
  });

  it('says which file is missing or broken', () => {
    assert.throws(() => loadConfig({ file: '/nowhere/weir.yaml' }), { code: 'CONFIG_FILE', message: /does not exist/ });
    assert.throws(() => loadConfig({ file: file('a: [') }), { code: 'CONFIG_FILE', message: /not YAML/ });
  });

  it('blanks secrets for printing', () => {
    const config = loadConfig({ values: { clickhouse: { password: 'geheim' }, relay: { keys: ['k1', 'k2'] } } });
    const printed = JSON.stringify(redactConfig(config));
    assert.ok(!printed.includes('geheim') && !printed.includes('k1'));
    assert.match(printed, /"keys":\["\*\*\*","\*\*\*"\]/);
  });

  it('cannot be changed once loaded', () => {
    const config = loadConfig() as { rtmp: { port: number } };
    assert.throws(() => {
      config.rtmp.port = 5;
    }, TypeError);
  });

  it('leaves the caller its own values, so that they can be loaded again', () => {
    const values = { nats: { servers: ['nats://a:1'] } };
    loadConfig({ values });
    values.nats.servers[0] = 'nats://b:2';
    assert.deepEqual(loadConfig({ values }).nats.servers, ['nats://b:2']);
  });

  it('gives each leaf a description and one flag of its own', () => {
    const leaves = configLeaves();
    assert.equal(new Set(leaves.map((leaf) => leaf.flag)).size, leaves.length);
    assert.deepEqual(
      leaves.filter((leaf) => leaf.description === '').map((leaf) => leaf.flag),
      [],
    );
  });
});
