/** What systemd hears of a process, on a real notification socket and by its own `systemd-notify`. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { systemdNotify } from './systemd-notify.ts';

/** Perl is on every Debian, and has the datagram sockets that Node lacks. */
const RECEIVER = `use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die; print "bound\\n";
while (defined recv($s, my $m, 4096, 0)) { print "$m\\n" }`;
const why = ['perl', 'systemd-notify'].find((tool) => spawnSync(tool, ['--version']).status !== 0);

describe('the word to systemd', { skip: why === undefined ? false : `there is no ${why}` }, () => {
  it('is ready, alive three times in the time it waits, and stopping', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-notify-'));
    const path = join(folder, 'socket');
    const receiver = spawn('perl', ['-e', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
      // the barrier by which systemd-notify makes sure that it was heard is no news
      const heard = async (): Promise<string> => {
        const { value } = await lines.next();
        return String(value).startsWith('BARRIER') ? heard() : String(value);
      };
      assert.equal(await heard(), 'bound');
      const systemd = systemdNotify({
        PATH: process.env.PATH,
        NOTIFY_SOCKET: path,
        WATCHDOG_USEC: '300000',
        WATCHDOG_PID: String(process.pid),
      });
      systemd?.ready();
      assert.deepEqual([await heard(), await heard(), await heard()], ['READY=1', 'WATCHDOG=1', 'WATCHDOG=1']);
      systemd?.stopping();
      const last = async (): Promise<string> => {
        const line = await heard();
        return line === 'WATCHDOG=1' ? last() : line;
      };
      assert.equal(await last(), 'STOPPING=1');
      systemd?.close();
    } finally {
      receiver.kill();
      await once(receiver, 'exit');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is nothing where systemd does not ask', () => {
    assert.equal(systemdNotify({}), undefined);
  });
});
