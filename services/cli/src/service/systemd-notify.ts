/**
 * Tells systemd that this process serves (`Type=notify`) and lives (`WatchdogSec=`). Before it: a running part; after it:
 * systemd, which restarts a process whose event loop has stopped turning. Node has no datagram sockets of the file system,
 * so a small shell beside it hands each line to systemd's own `systemd-notify` (the unit needs `NotifyAccess=all`); it
 * ends with this process.
 */
import { spawn } from 'node:child_process';

/** How systemd is told. */
export interface SystemdNotify {
  ready(): void;
  stopping(): void;
  close(): void;
}

/** Told so many times in the time that systemd waits. */
const BEATS_PER_WATCHDOG = 3;
const SHELL = 'while read -r line; do systemd-notify "$line"; done';

/**
 * What tells systemd; undefined when it does not ask (`NOTIFY_SOCKET`).
 * @param env environment of this process, as systemd set it.
 */
export function systemdNotify(env: NodeJS.ProcessEnv, pid = process.pid): SystemdNotify | undefined {
  if (!env.NOTIFY_SOCKET) return undefined;
  const shell = spawn('sh', ['-c', SHELL], { stdio: ['pipe', 'ignore', 'inherit'], env });
  const tell = (line: string) => shell.stdin.write(`${line}\n`);
  // without a shell systemd hears nothing and acts as it was told to
  for (const stream of [shell, shell.stdin]) stream.on('error', () => undefined);
  shell.unref();
  let beat: NodeJS.Timeout | undefined;
  return {
    ready() {
      tell('READY=1');
      const watchdogMs = watchdogTime(env, pid);
      if (watchdogMs === undefined) return;
      tell('WATCHDOG=1');
      beat = setInterval(() => tell('WATCHDOG=1'), watchdogMs / BEATS_PER_WATCHDOG);
      beat.unref();
    },
    stopping: () => tell('STOPPING=1'),
    close() {
      clearInterval(beat);
      shell.stdin.end();
    },
  };
}

/** Milliseconds after which systemd takes this process for dead; undefined when it does not look. */
function watchdogTime(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const isMeant = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid);
  const micros = Number(env.WATCHDOG_USEC);
  return isMeant && micros > 0 ? micros / 1_000 : undefined;
}
