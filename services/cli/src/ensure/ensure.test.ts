/** Outside programs: found, too old, broken, or missing with a sentence that helps. Installing is tested in test/integration. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ensure, thisMachine } from './ensure.ts';
import { isOlder } from './tools.ts';

const root = mkdtempSync(join(tmpdir(), 'weir-ensure-'));
after(() => rmSync(root, { recursive: true, force: true }));

const folder = (): string => mkdtempSync(join(root, 'f-'));
const program = (name: string, script: string): string => {
  const path = folder();
  writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(path, name), 0o755);
  return path;
};
const options = (searchPath: string[], isRoot = false) => {
  const said: string[] = [];
  return {
    toolsDir: join(folder(), 'tools'),
    say: (sentence: string) => said.push(sentence),
    said,
    machine: { searchPath, isRoot },
  };
};

describe('ensure', () => {
  it('answers with the first program on the path', async () => {
    const first = program('nats-server', 'echo nats-server: v2.10.4');
    const second = program('nats-server', 'echo nats-server: v2.11.0');
    assert.equal(await ensure('nats-server', options([folder(), first, second])), join(first, 'nats-server'));
  });

  it('looks into the system’s folders when the PATH of a user lacks them', () => {
    assert.ok(thisMachine().searchPath.includes('/usr/sbin'));
    assert.ok(thisMachine().searchPath.includes('/usr/local/sbin'));
  });

  it('finds what was unpacked before', async () => {
    const toolsDir = program('nats-server', 'echo nats-server: v2.9.10');
    assert.equal(await ensure('nats-server', { ...options([]), toolsDir }), join(toolsDir, 'nats-server'));
  });

  it('refuses one that is too old, naming it, its version and the one that is needed', async () => {
    const old = program('nats-server', 'echo nats-server: v2.2.0');
    await assert.rejects(ensure('nats-server', options([old])), {
      code: 'TOOL_TOO_OLD',
      message: new RegExp(`${old}/nats-server is version 2\\.2\\.0.*2\\.9 or newer`),
    });
  });

  it('takes a build without a version number as new enough', async () => {
    const git = program('ffmpeg', 'echo ffmpeg version N-112233-gabcdef');
    assert.equal(await ensure('ffmpeg', options([git])), join(git, 'ffmpeg'));
  });

  it('refuses one that does not run, with what it says', async () => {
    const broken = program('ffmpeg', 'echo "libavdevice.so.59: cannot open shared object file" >&2; exit 127');
    await assert.rejects(ensure('ffmpeg', options([broken])), {
      code: 'TOOL_BROKEN',
      message: /does not run \(.*libavdevice\.so\.59: cannot open.*ffmpeg\.org/s,
    });
  });

  it('refuses one that crashes, naming the signal', async () => {
    await assert.rejects(ensure('ffmpeg', options([program('ffmpeg', 'kill -ILL $$')])), {
      code: 'TOOL_BROKEN',
      message: /was ended by SIGILL/,
    });
  });

  it('waits for one that starts slowly, as from a cold disk, and says so', async () => {
    const slow = program('ffmpeg', 'sleep 3.5; echo ffmpeg version 5.1.9');
    const wanted = options([slow]);
    assert.equal(await ensure('ffmpeg', wanted), join(slow, 'ffmpeg'));
    assert.deepEqual(wanted.said, [`… waiting for ${slow}/ffmpeg to tell its version`]);
  });

  it('refuses one that hangs', async () => {
    const hanging = options([program('ffmpeg', 'exec sleep 60')]);
    await assert.rejects(ensure('ffmpeg', { ...hanging, versionTimeoutMs: 200 }), {
      code: 'TOOL_BROKEN',
      message: /did not tell its version within 0\.2 s/,
    });
  });

  it('says how to get it where there is no apt', async () => {
    await assert.rejects(ensure('nats-server', options([folder()])), {
      code: 'TOOL_MISSING',
      message: /no apt-get.*github\.com\/nats-io/,
    });
  });

  it('says that ffmpeg by apt needs root', async () => {
    await assert.rejects(ensure('ffmpeg', options([program('apt-get', 'exit 1')])), {
      code: 'TOOL_MISSING',
      message: /needs root.*ffmpeg\.org/,
    });
  });

  it('installs as root with apt-get, after fetching the package lists when the package is not in them', async () => {
    const bin = folder();
    const log = join(bin, 'calls');
    const script = [
      `echo "$*" >> ${log}`,
      'case "$*" in',
      `*update*) touch ${bin}/updated;;`,
      `*install*) [ -e ${bin}/updated ] || { echo "E: Unable to locate package ffmpeg" >&2; exit 100; }`,
      `  printf '#!/bin/sh\\necho ffmpeg version 5.1.9' > ${bin}/ffmpeg; chmod +x ${bin}/ffmpeg;;`,
      'esac',
    ].join('\n');
    writeFileSync(join(bin, 'apt-get'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const wanted = options([bin], true);
    assert.equal(await ensure('ffmpeg', wanted), join(bin, 'ffmpeg'));
    assert.match(wanted.said.join('\n'), /installing ffmpeg[\s\S]*package lists/);
  });

  it('gives apt’s own reason when installing fails', async () => {
    const apt = program('apt-get', 'echo "E: Could not get lock /var/lib/dpkg/lock" >&2; exit 100');
    await assert.rejects(ensure('ffmpeg', options([apt], true)), {
      code: 'TOOL_MISSING',
      message: /Could not get lock/,
    });
  });
});

describe('versions', () => {
  it('are compared as numbers, part by part', () => {
    assert.equal(isOlder('2.9', '2.10'), true);
    assert.equal(isOlder('2.10', '2.9.10'), false);
    assert.equal(isOlder('2.9', '2.9.0'), false);
    assert.equal(isOlder('3', '2.9.9'), false);
  });
});
