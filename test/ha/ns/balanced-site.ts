/**
 * A directed site (directed-site.ts) of real nodes under media: NATS, origins, edges, ffmpeg and viewers through the virtual
 * address. What is done to it is part-media.ts's.
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@weir/test/harness/wait';
import { type Ask, startClients } from './clients.ts';
import { CLIP, REPOSITORY, VIP } from './cluster.ts';
import { DIRECTORS, DirectedSite, EDGES } from './directed-site.ts';
import { bytesSeen, countSenders } from './ways.ts';

export const ORIGINS = ['o1', 'o2'];
export const STREAM_URL = `rtmp://${VIP}/live/ha`;

const NATS_URL = 'nats://10.9.0.41:4222';
const AGENT_MS = 120_000;
const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** A viewer as media-client.ts tells it. */
export interface ViewerLook {
  bytes: number;
  cuts: number;
  backwards: number;
  lastFailure: string;
  localPort: number;
  maxGapMs: number;
}

/** One figure that a machine told of itself. */
export interface Told {
  metric: string;
  timeMs: number;
  attributes: Record<string, string>;
  value: number;
}

/** The running site. */
export class BalancedSite extends DirectedSite {
  /** Asks the viewers of media-client.ts. */
  readonly ask: Ask;

  constructor() {
    super(['n1', ...ORIGINS, ...EDGES]);
    this.ask = startClients(this.client, script('./media-client.ts')).ask;
  }

  /** Brings everything up. */
  async start(): Promise<void> {
    const { cluster } = this;
    const booting = this.bootDirectors();
    booting.catch(() => undefined);
    cluster.start('n1');
    cluster.machine('n1').must(this.#reader('make'));
    countSenders(
      cluster.machine('n1'),
      DIRECTORS.map((name) => cluster.addressOf(name)),
      4222,
    );
    for (const name of [...ORIGINS, ...EDGES]) cluster.start(name);
    for (const name of [...ORIGINS, ...EDGES]) await cluster.ready(name);
    await booting;
    for (const director of this.directors) await director.start('agent', director.command('weir-agent.service'));
    // until an agent has started its emulated core has time for little else
    const tell = () => this.directors.every(({ name }) => this.toldBy(name, 'weir.ipvs.servers').length > 0);
    await waitFor('the directors’ agents', tell, { timeoutMs: AGENT_MS, everyMs: 2_000 });
  }

  /** Bytes of frames that a director has sent to NATS: its agent's telemetry. */
  toldBytes(director: string): number {
    return bytesSeen(this.cluster.machine('n1'), this.cluster.addressOf(director));
  }

  /** Ports of the clients that have an RTMP connection to an edge. */
  portsOn(edge: string): Set<number> {
    const line = "ss -Htn state established '( sport = :19350 )'";
    const lines = this.cluster.machine(edge).must(line).split('\n');
    return new Set(lines.map((text) => Number(/:(\d+)\s*$/.exec(text.trim())?.[1])).filter(Boolean));
  }

  /** The viewers that are on an edge. */
  async viewersOn(edge: string): Promise<ViewerLook[]> {
    const ports = this.portsOn(edge);
    return (await this.ask<ViewerLook[]>('look')).filter(({ localPort }) => ports.has(localPort));
  }

  /** ffmpeg, as anybody would run it: pushes the clip without end. */
  push(): ChildProcess {
    const source = `-re -stream_loop -1 -i ${CLIP} -c copy`;
    return this.client.start(`ffmpeg -nostdin -hide_banner -v error ${source} -f flv ${STREAM_URL}`, {
      log: this.cluster.logPath('push'),
    });
  }

  /** ffmpeg plays the stream; `packets()` is how many of its video it has had. */
  play(): { child: ChildProcess; packets(): number } {
    const out = '-map 0:v -c copy -f framecrc -flush_packets 1 -';
    const child = this.client.start(`ffmpeg -nostdin -hide_banner -v error -i ${STREAM_URL} ${out}`, {
      log: this.cluster.logPath('play'),
    });
    if (!child.stdout) throw new Error('no output of ffmpeg');
    let packets = 0;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (/^0,\s*\d+/.test(line)) packets += 1;
    });
    return { child, packets: () => packets };
  }

  /** An operator's command, by NATS. */
  weir(line: string): string {
    const password = /^NATS_PASSWORD_ADMIN=(.*)$/m.exec(this.cluster.secrets())?.[1] ?? '';
    const options = `--nats-servers ${NATS_URL} --nats-user admin --nats-password ${password}`;
    const main = join(REPOSITORY, 'services/cli/src/main.ts');
    return this.cluster.machine('n1').must(`${process.execPath} ${main} ${line} ${options}`);
  }

  /** What a machine told NATS of metrics whose names begin so, in the order of time. */
  toldBy(node: string, ...prefixes: string[]): Told[] {
    const said = this.cluster.machine('n1').must(this.#reader('read', node, ...prefixes));
    return (JSON.parse(said) as { samples: Told[] }[]).flatMap(({ samples }) => samples);
  }

  #reader(...words: string[]): string {
    const [action, ...more] = words;
    const reader = script('./telemetry-reader.ts');
    return [process.execPath, reader, action, NATS_URL, this.cluster.secretsPath, ...more].join(' ');
  }
}
