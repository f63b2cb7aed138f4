/** What the command line answers to what it cannot use: one sentence with the mend, a code, the right exit status. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { tryExclusiveLock } from '@weir/contracts/exclusive-lock';
import { weir } from './cli-process.ts';

const root = mkdtempSync(join(tmpdir(), 'weir-cli-'));
after(() => rmSync(root, { recursive: true, force: true }));
const folder = (): string => mkdtempSync(join(root, 'c-'));

/** Nobody listens there. */
const NOWHERE = ['--clickhouse-url', 'http://127.0.0.1:1', '--nats-servers', 'nats://127.0.0.1:1'];

describe('the command line', () => {
  it('names the nearest known flag, command and configuration key', async () => {
    const file = join(folder(), 'weir.yaml');
    writeFileSync(file, 'rtmp: { prot: 1936 }');
    const cases: [string[], Record<string, string>, number, RegExp][] = [
      [['up', '--demmo'], {}, 2, /^weir: unknown option '--demmo' \(Did you mean --demo\?\).*\[USAGE\]\n$/],
      [['edge', '--rtmp-prot', '1'], {}, 2, /--rtmp-port/],
      [['stauts'], {}, 2, /Did you mean status\?/],
      [['sql', '--config', file, 'SELECT 1'], {}, 1, /"rtmp\.prot".*"rtmp\.port".*\[CONFIG_UNKNOWN_KEY\]\n$/],
      [['sql', 'SELECT 1'], { WEIR_CLICKHOUSE_ULR: 'x' }, 1, /WEIR_CLICKHOUSE_URL.*\[CONFIG_UNKNOWN_KEY\]\n$/],
      [['edge', '--rtmp-port', 'x'], {}, 1, /--rtmp-port must be a whole number.*\[CONFIG_INVALID\]\n$/],
      [['up', '--edges', '0'], {}, 1, /--edges must be.*from 1.*\[CONFIG_INVALID\]\n$/],
      [['edge', '--role', 'relay'], {}, 2, /edge, origin/],
    ];
    for (const [args, env, status, words] of cases) {
      const result = await weir(args, { env, cwd: root });
      assert.match(result.stderr, words);
      assert.deepEqual([result.status, result.stdout], [status, ''], args.join(' '));
    }
  });

  it('helps: every command with its flags and examples, only the sections it reads', async () => {
    const { stdout, status } = await weir(['--help']);
    assert.equal(status, 0);
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+) {2,}/gm)]
      .map((match) => match[1] ?? '')
      .filter((name) => name !== 'help');
    const expected = ['up', 'edge', 'ingest', 'store', 'migrate', 'sql', 'status', 'nodes', 'dead-letters'];
    assert.deepEqual(
      expected.filter((name) => !commands.includes(name)),
      [],
    );
    for (const command of commands) {
      const help = await weir([command, '--help']);
      assert.match(help.stdout, new RegExp(`Examples:\\n  weir ${command}`), command);
      assert.equal(help.status, 0);
    }
    const sql = await weir(['sql', '--help']);
    assert.match(sql.stdout, /--clickhouse-url/);
    assert.doesNotMatch(sql.stdout, /--rtmp-port/);
  });

  it('says what is away in status and nodes instead of failing on it', async () => {
    const status = await weir(['status', ...NOWHERE], { cwd: root });
    assert.match(status.stdout, /^NATS +away$/m);
    assert.match(status.stdout, /^ClickHouse +away$/m);
    const json = await weir(['status', '--json', ...NOWHERE], { cwd: root });
    const seen = JSON.parse(json.stdout) as { ok: boolean; nats: object; clickhouse: object };
    assert.equal(seen.ok, false);
    assert.partialDeepStrictEqual(seen, { nats: { reachable: false }, clickhouse: { reachable: false } });
    assert.deepEqual([status.status, json.status, status.stderr], [1, 1, '']);
    const nodes = await weir(['nodes', '--json', ...NOWHERE], { cwd: root });
    assert.deepEqual(JSON.parse(nodes.stdout), []);
    assert.match(nodes.stderr, /nats:\/\/127\.0\.0\.1:1|127\.0\.0\.1:1/);
  });

  it('says where it looked when nothing runs', async () => {
    const away = await weir(['sql', ...NOWHERE.slice(0, 2), 'SELECT 1'], { cwd: root });
    assert.match(
      away.stderr,
      /^weir: ClickHouse does not answer at http:\/\/127\.0\.0\.1:1 .*weir up.*\[SQL_AWAY\]\n$/,
    );
    const none = await weir(['sql', '--data', folder(), 'SELECT 1']);
    assert.match(none.stderr, /No system runs in .*\[NOTHING_RUNS\]/);
    const empty = await weir(['sql', ...NOWHERE.slice(0, 2)], { cwd: root, input: ' ; \n' });
    assert.match(empty.stderr, /\[SQL_EMPTY\]/);
    assert.deepEqual([away.status, none.status, empty.status], [1, 1, 1]);
  });
});

describe('weir up', () => {
  it('names a taken port and who has it, and starts nothing', async (test) => {
    const server = createServer().listen(0, '0.0.0.0');
    test.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const data = join(folder(), 'data');
    const flags = ['--http-port', '0', '--relay-port', '0', '--ingest-port', '0', '--store-port', '0'];
    const elsewhere = ['--nats-servers', 'nats://127.0.0.1:1'];
    const result = await weir(['up', '--data', data, '--rtmp-port', String(port), ...flags, ...elsewhere]);
    assert.match(
      result.stderr,
      new RegExp(
        `^weir: Port ${port} for the RTMP port of edge-1 is taken by .*\\(process ${process.pid}\\).*\\[UP_PORT_TAKEN\\]\\n$`,
      ),
    );
    assert.equal(result.status, 1);
    assert.equal(existsSync(join(data, 'logs', 'edge-1.log')), false);
  });

  it('names the process that holds the data directory', async (test) => {
    const data = folder();
    writeFileSync(join(data, 'weir-data.json'), '{}');
    writeFileSync(join(data, 'pid'), `${process.pid}\n`);
    const lock = tryExclusiveLock(join(data, 'lock'));
    test.after(() => lock?.release());
    for (const fresh of [[], ['--fresh']]) {
      const result = await weir(['up', '--data', data, '--ports', 'auto', ...fresh]);
      assert.match(
        result.stderr,
        new RegExp(`already runs in ${data} \\(process ${process.pid}\\).*\\[UP_RUNNING\\]\\n$`),
      );
      assert.equal(result.status, 1);
    }
  });

  it('does not remove or fill a folder that is not its own', async () => {
    const data = folder();
    writeFileSync(join(data, 'thesis.tex'), 'years of work');
    const result = await weir(['up', '--data', data, '--fresh', '--ports', 'auto']);
    assert.match(result.stderr, /no data directory of Weir.*\[UP_NOT_OURS\]\n$/);
    assert.equal(existsSync(join(data, 'thesis.tex')), true);
  });
});
