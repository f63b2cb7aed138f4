/** ffmpeg in the client's machine, as anybody would run it: one that pushes a clip, one that plays and counts packets. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { GuestMachine } from './machines.ts';

/** A publisher; it runs until it is cut off. */
export interface Pusher {
  readonly isRunning: boolean;
}

/** A player, by what it has printed of each packet. */
export interface Player {
  readonly isRunning: boolean;
  readonly packets: number;
}

export function push(machine: GuestMachine, url: string, clip: string): Pusher {
  const child = machine.start('push', [
    'ffmpeg',
    ...QUIET,
    '-re',
    '-stream_loop',
    '-1',
    '-i',
    clip,
    '-c',
    'copy',
    '-f',
    'flv',
    url,
  ]);
  return {
    get isRunning() {
      return isRunning(child);
    },
  };
}

export function play(machine: GuestMachine, url: string): Player {
  const arguments_ = [...QUIET, '-probesize', '32', '-analyzeduration', '0', '-i', url];
  const child = machine.start(
    'play',
    ['ffmpeg', ...arguments_, '-map', '0:v', '-c', 'copy', '-f', 'framecrc', '-flush_packets', '1', '-'],
    'pipe',
  );
  let packets = 0;
  if (!child.stdout) throw new Error('no output of ffmpeg');
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (/^0,\s*\d+/.test(line)) packets += 1;
  });
  return {
    get isRunning() {
      return isRunning(child);
    },
    get packets() {
      return packets;
    },
  };
}

const QUIET = ['-nostdin', '-hide_banner', '-v', 'error'];

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
