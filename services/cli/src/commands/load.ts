/** `weir load`: viewers (and publishers) on a server, to see what it bears. Before it: flags; after it: load/run-load.ts. */
import { ConfigError, WeirError } from '@weir/contracts/errors';
import { createLogger } from '@weir/contracts/logger';
import type { CliCommand, Invocation } from '../cli-command.ts';
import { isClean, reportLines } from '../load/report.ts';
import type { LoadProgress } from '../load/run-load.ts';
import { stopRequested } from '../service/run-service.ts';

const CLIP = new URL('../../assets/demo.flv', import.meta.url);

export const load: CliCommand = {
  description:
    'Put viewers on an RTMP stream and check that each gets all of it: connect time, time to first frame, bitrate, gaps, ' +
    'timestamps. Works against any RTMP server. Most viewers only count bytes, a sample parses everything. Stays on this ' +
    'machine unless told otherwise. Ends with status 1 when a viewer was refused, cut off or got less than the whole stream.',
  sections: [],
  examples: [
    ['weir load rtmp://127.0.0.1:1945/live/demo --viewers 200 --for 20', 'on the demo stream of weir up --demo'],
    [
      'weir load rtmp://127.0.0.1:1935/live/load --publishers 10 --viewers 500',
      'ten streams of our own, 50 viewers each',
    ],
    ['weir load rtmp://127.0.0.1:1935/live/demo --viewers 100 --json', 'for scripts: one line of JSON'],
  ],
  define(command) {
    command.argument('<url>', 'rtmp://host[:port]/app/stream');
    command.option('--viewers <n>', 'viewers, at most 20000', '100');
    command.option('--publishers <n>', 'streams to publish ourselves (the bundled clip, looped), at most 1000', '0');
    command.option('--for <seconds>', 'length of the measured stretch after all have joined, at most 3600', '30');
    command.option('--rate <n>', 'viewers that join per second', '200');
    command.option('--sample <n>', 'viewers that parse and check everything', '10');
    command.option('--json', 'print the figures as one line of JSON');
    command.option('--yes-i-may', 'the server is not on this machine, and I may load it');
  },
  async run(invocation) {
    const { options } = invocation;
    const { target, host } = parseUrl(invocation.args[0] ?? '');
    const { loadHost } = await import('../load/loopback.ts');
    const { runLoad } = await import('../load/run-load.ts');
    const stop = new AbortController();
    void stopRequested().then(() => stop.abort());
    const isTerminal = process.stderr.isTTY === true;
    const figures = await runLoad(
      {
        target: { ...target, host: await loadHost(host, options.yesIMay === true) },
        viewers: whole(invocation, 'viewers', 0, 20_000),
        publishers: whole(invocation, 'publishers', 0, 1_000),
        seconds: whole(invocation, 'for', 1, 3_600),
        joinsPerSecond: whole(invocation, 'rate', 1, 5_000),
        sampled: whole(invocation, 'sample', 1, 1_000),
        clip: CLIP,
        logger: createLogger('load', 'error'),
        onProgress: progressPrinter(isTerminal),
      },
      stop.signal,
    ).catch((error: unknown) => {
      if (stop.signal.aborted) throw new WeirError('LOAD_STOPPED', 'The load was stopped before it was measured.');
      throw error;
    });
    if (isTerminal) process.stderr.write('\r\x1b[K');
    process.stdout.write(
      options.json === true ? `${JSON.stringify(figures)}\n` : `${reportLines(figures).join('\n')}\n`,
    );
    return isClean(figures) ? 0 : 1;
  },
};

/** On a terminal one line that changes, elsewhere a line per phase. */
function progressPrinter(isTerminal: boolean): (progress: LoadProgress) => void {
  let told: LoadProgress['phase'] | undefined;
  return ({ phase, playing, failed, elapsedSeconds }) => {
    const line = `${phase}: ${playing} play, ${failed} failed`;
    if (isTerminal) process.stderr.write(`\r\x1b[K${line}, ${elapsedSeconds} s`);
    else if (phase !== told) process.stderr.write(`weir: ${line}\n`);
    told = phase;
  };
}

function parseUrl(text: string): { host: string; target: { port: number; app: string; name: string } } {
  const match = /^rtmp:\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/([^/]+)\/(.+)$/.exec(text);
  if (!match) {
    throw new ConfigError('LOAD_URL', `"${text}" is no RTMP address of a stream; write rtmp://host:port/app/stream.`);
  }
  const [, host = '', port, app = '', name = ''] = match;
  return { host: host.replace(/^\[|\]$/g, ''), target: { port: Number(port ?? 1935), app, name } };
}

function whole({ options }: Invocation, name: string, least: number, most: number): number {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigError(
      'CONFIG_INVALID',
      `--${name} must be a whole number from ${least} to ${most}, but is "${options[name]}".`,
    );
  }
  return value;
}
