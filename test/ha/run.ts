/**
 * `npm run test:ha [-- media|namespaces|nats|edges|lvs|machines …] [--within 300s]`: high availability from rendered files, in network
 * namespaces and booted machines, within six minutes. Not part of `npm test`: it needs root and Debian packages. A part that
 * does not fit into the time that is left is not begun, one that it runs out of is ended; both are told of loudly. So is,
 * with `--within`, a part whose booted machines stood still for a second: the host had no time for them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** With fewer seconds left than these a part is not begun. */
const PARTS = { media: 150, lvs: 160, namespaces: 25, nats: 30, edges: 35, machines: 50 };
type Part = keyof typeof PARTS;
/**
 * Parts that go one after the other, those that show most first. Two with booted directors beside each other would be four
 * emulated machines on two cores, and a director that is not run in time takes its partner for dead; the light ones fit
 * beside the minute that directors take to boot.
 */
const LANES: readonly (readonly Part[])[] = [
  ['media', 'lvs', 'machines'],
  ['namespaces', 'nats', 'edges'],
];
const BOUND_SECONDS = 360;

const { chosen, boundMs, isBounded } = readArguments(process.argv.slice(2));
const endsAtMs = Date.now() + boundMs;
const lanes = LANES.map((parts) => parts.filter((part) => chosen.length === 0 || chosen.includes(part)));
const running = new Set<ChildProcess>();
const tell = (line: string) => process.stderr.write(`\n*** ${line} ***\n\n`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const waiting of lanes) waiting.length = 0;
    for (const child of running) child.kill('SIGTERM');
    process.exitCode = 1;
  });
}
await Promise.all(lanes.map(work));

/** Takes one part after the other. */
async function work(waiting: Part[]): Promise<void> {
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    const leftSeconds = Math.max(0, Math.floor((endsAtMs - Date.now()) / 1_000));
    if (leftSeconds < PARTS[part]) {
      tell(`SKIPPED: ${part}: it needs ${PARTS[part]} s, and ${leftSeconds} s are left`);
    } else if ((await run(part)) !== 0) process.exitCode = 1;
  }
}

/** Runs a part to its end or to the end of the time; its exit status. */
async function run(part: Part): Promise<number> {
  const startedMs = Date.now();
  const file = fileURLToPath(new URL(`./part-${part}.ts`, import.meta.url));
  // in one process with its tests, so that it can take away what it has made when it is ended
  const options = ['--disable-warning=ExperimentalWarning', '--test', '--test-isolation=none', '--test-reporter=spec'];
  const child = spawn(process.execPath, [...options, file], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let stoodStillSeconds = 0;
  child.on('message', (message: { stoodStillSeconds: number }) => {
    stoodStillSeconds = message.stoodStillSeconds;
  });
  running.add(child);
  // parts run beside each other: what they say is shown when they are done
  const said: Buffer[] = [];
  child.stdout?.on('data', (data: Buffer) => said.push(data));
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    child.kill('SIGTERM');
  }, endsAtMs - Date.now());
  const [status] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  running.delete(child);
  process.stdout.write(Buffer.concat(said));
  process.stdout.write(`test:ha: ${part} took ${Math.round((Date.now() - startedMs) / 1_000)} s\n`);
  if (!isOver) {
    if (status === 0 || stoodStillSeconds === 0) return status ?? 1;
    tell(
      `SHOWS NOTHING: ${part}: its booted machines stood still for up to ${stoodStillSeconds} s; is the machine busy?`,
    );
    return isBounded ? 0 : 1;
  }
  tell(`NOT SHOWN TO THE END: ${part}: ${boundMs / 1_000} s are over; is the machine busy?`);
  return isBounded ? 0 : 1;
}

/** @throws when an argument is none of ours. */
function readArguments(words: readonly string[]): { chosen: Part[]; boundMs: number; isBounded: boolean } {
  const at = words.indexOf('--within');
  const within = at < 0 ? undefined : /^(\d+)s?$/.exec(words[at + 1] ?? '')?.[1];
  if (at >= 0 && within === undefined) throw new Error('test:ha: --within takes seconds: --within 300s');
  const names = words.filter((_, index) => at < 0 || (index !== at && index !== at + 1));
  const strange = names.filter((name) => !(name in PARTS));
  if (strange.length > 0)
    throw new Error(`test:ha: no part ${strange.join()}; there are ${Object.keys(PARTS).join(', ')}`);
  const boundMs = Number(within ?? BOUND_SECONDS) * 1_000;
  return { chosen: names as Part[], boundMs, isBounded: within !== undefined };
}
