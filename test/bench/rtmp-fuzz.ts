/**
 * Broken clients from a seed for as long as told: the long form of the fuzz test. The node lives on core 0 in a process of
 * its own; a witness publishes and plays beside it. Ends with status 1 when the node failed, counted an error of its own,
 * grew, kept a connection, or disturbed the witness. The seed that broke something breaks it again.
 *
 *   npm run bench -- rtmp-fuzz [--seed 1] [--for 60] [--at-once 30] [--json]
 */
import { parseArgs } from 'node:util';
import { type FuzzTarget, fuzzOnce } from '@weir/test/harness/fuzz';
import { faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { seededRandom } from '../chaos/random.ts';
import { OWN_DESCRIPTORS, startMeasuredNode } from './rtmp/measured-node.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    for: { type: 'string', default: '60' },
    'at-once': { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(values.for);
const WARM_UP_CLIENTS = 500;
/** Heap may be so much larger after any number of clients. */
const MOST_HEAP_GROWTH_BYTES = 8_000_000;
const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

const node = await startMeasuredNode(
  { stream: { notFoundWaitMs: 200 }, rtmp: { handshakeTimeoutMs: 1_000 }, limits: { connections: 20_000 } },
  { core: '0' },
);
try {
  const url = `rtmp://${node.addresses.rtmp}/live/witness`;
  const publisher = await publishClip(url);
  const viewer = await playStream(url);
  const target: FuzzTarget = { ...node.addresses, random: seededRandom(Number(values.seed)), counts: new Map() };
  const descriptorsBefore = node.openFiles();
  let clients = 0;
  const batch = async () => {
    clients += Number(values['at-once']);
    await Promise.all(Array.from({ length: Number(values['at-once']) }, () => fuzzOnce(target)));
  };
  const onlyTheWitness = () =>
    waitFor('all of them to be gone', async () => {
      const report = await node.report();
      return report.stats.connections.every(({ open }) => open <= 1) && report;
    });
  while (clients < WARM_UP_CLIENTS) await batch();
  const before = await onlyTheWitness();
  const untilMs = performance.now() + SECONDS * 1_000;
  while (performance.now() < untilMs) await batch();
  const after = await onlyTheWitness();
  // Who stopped in the middle of a handshake is no connection yet, and is let go when its time is up.
  const descriptors = () => node.openFiles() - descriptorsBefore;
  await waitFor('the sockets to be closed', () => descriptors() <= OWN_DESCRIPTORS).catch(() => {});
  const { refused, closed } = after.stats;
  const reasons: Record<string, number> = {};
  for (const { reason, count } of [...refused, ...closed]) reasons[reason] = (reasons[reason] ?? 0) + count;
  const result = {
    seed: Number(values.seed),
    seconds: SECONDS,
    clients,
    kinds: Object.fromEntries(target.counts),
    reasons,
    heapGrowthMegabytes: Number(((after.heapBytes - before.heapBytes) / 1e6).toFixed(2)),
    descriptorsGrown: descriptors(),
    witness: { frames: viewer.frames(9).length, faults: faultsOf(viewer), isClosed: viewer.isClosed },
  };
  const isWell =
    (reasons.error ?? 0) === 0 &&
    after.heapBytes - before.heapBytes <= MOST_HEAP_GROWTH_BYTES &&
    result.descriptorsGrown <= OWN_DESCRIPTORS &&
    !result.witness.isClosed &&
    result.witness.faults.length === 0;
  say(
    `${clients} broken clients (seed ${values.seed}) in ${SECONDS} s: ${isWell ? 'nothing broke' : 'something broke'}.`,
  );
  process.stdout.write(`${JSON.stringify({ bench: 'rtmp-fuzz', isWell, ...result })}\n`);
  process.exitCode = isWell ? 0 : 1;
  viewer.close();
  await publisher.close();
} finally {
  await node.close();
}
