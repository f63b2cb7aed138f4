/**
 * The clients of the suite, all in one process in the client's network namespace, told what to do by lines of JSON:
 * {"id": 1, "op": "count", …} → {"id": 1, "result": …}. Connections that are held echo every 50 ms, so that a gap shows.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const ECHO_MS = 50;
const PROBE_MS = 50;
const PROBE_TIMEOUT_MS = 250;

/** A request; `host` and `port` say where to connect. */
interface Request {
  id: number;
  op: keyof typeof operations;
  host: string;
  port: number;
  count: number;
  timeoutMs: number;
  bytesPerSecond: number;
}

/** One held connection. */
interface Held {
  socket: Socket;
  who: string;
  lastMs: number;
  maxGapMs: number;
  bytes: number;
  dead: string | null;
}

let held: Held[] = [];
let heartbeat: NodeJS.Timeout | undefined;
let probes: { atMs: number; ok: boolean }[] = [];
let probing: NodeJS.Timeout | undefined;

/** The first line a server says, or why there was none. */
function greet(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (what: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(what);
    };
    const timer = setTimeout(() => done('timeout'), timeoutMs);
    socket.once('data', (data) => done(data.toString().trim()));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'));
    socket.once('close', () => done('closed'));
  });
}

function hold({ host, port }: Request, first: string): Promise<Held> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const one: Held = { socket, who: '', lastMs: performance.now(), maxGapMs: 0, bytes: 0, dead: null };
    socket.on('data', (data) => {
      const now = performance.now();
      if (one.who === '') {
        one.who = data.toString().split('\n', 1)[0] ?? '';
        if (first !== '') socket.write(first);
        resolve(one);
      } else one.maxGapMs = Math.max(one.maxGapMs, now - one.lastMs);
      one.bytes += data.length;
      one.lastMs = now;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      one.dead = error.code ?? 'error';
      reject(error);
    });
    socket.on('close', () => {
      one.dead ??= 'closed';
      reject(new Error(one.dead));
    });
  });
}

const operations = {
  /** `count` connections one after the other: who answered how often. */
  async count({ host, port, count, timeoutMs }: Request) {
    const tally: Record<string, number> = {};
    for (let at = 0; at < count; at += 1) {
      const who = await greet(host, port, timeoutMs);
      tally[who] = (tally[who] ?? 0) + 1;
    }
    return tally;
  },
  /** Opens `count` connections that echo; answers when all are open. */
  async hold(request: Request) {
    const opened: Held[] = [];
    for (let at = 0; at < request.count; at += 1) opened.push(await hold(request, ''));
    held = opened;
    heartbeat = setInterval(() => {
      for (const { socket, dead } of held) if (dead === null) socket.write('x');
    }, ECHO_MS);
    return held.map(({ who }) => who);
  },
  /** Opens `count` connections that download at a rate. */
  async download(request: Request) {
    const opened: Held[] = [];
    for (let at = 0; at < request.count; at += 1) opened.push(await hold(request, `D${request.bytesPerSecond}\n`));
    held = opened;
    return held.map(({ who }) => who);
  },
  /** How the held connections are; a running silence counts as a gap. */
  async look() {
    const now = performance.now();
    return held.map(({ who, maxGapMs, bytes, dead, lastMs }) => ({
      who,
      bytes,
      dead,
      maxGapMs: Math.round(dead === null ? Math.max(maxGapMs, now - lastMs) : maxGapMs),
    }));
  },
  /** Forgets the gaps so far. */
  async forget() {
    for (const one of held) {
      one.maxGapMs = 0;
      one.lastMs = performance.now();
    }
  },
  async release() {
    clearInterval(heartbeat);
    for (const { socket } of held) socket.destroy();
    held = [];
  },
  /** A new connection every 50 ms until `probed`. */
  async probe({ host, port }: Request) {
    probes = [];
    probing = setInterval(() => {
      const atMs = performance.now();
      void greet(host, port, PROBE_TIMEOUT_MS).then((who) => probes.push({ atMs, ok: /^e\d/.test(who) }));
    }, PROBE_MS);
  },
  /** The longest time between two connections that were answered, and how many were. */
  async probed() {
    clearInterval(probing);
    const answered = probes
      .filter(({ ok }) => ok)
      .map(({ atMs }) => atMs)
      .sort((a, b) => a - b);
    const gaps = answered.slice(1).map((atMs, at) => atMs - (answered[at] ?? atMs));
    return { tried: probes.length, answered: answered.length, outageMs: Math.round(Math.max(0, ...gaps)) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  void operations[request.op](request).then(
    (result) => process.stdout.write(`${JSON.stringify({ id: request.id, result: result ?? null })}\n`),
    (error: unknown) => process.stdout.write(`${JSON.stringify({ id: request.id, error: String(error) })}\n`),
  );
}
process.exit();
