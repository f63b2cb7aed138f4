/**
 * What a node adds to the time from a publisher's send to its viewers' receive, and how soon a newcomer sees a picture:
 * frames carry the time they were sent at, publisher and viewers share one clock in this process, every viewer reads it
 * from every frame. The node has core 0, everything else core 1; so the figures are above what the node adds by what this
 * process takes to read, never below.
 *
 *   npm run bench -- rtmp-delay [--viewers 50] [--windows 0,50,100,350] [--for 10] [--low-latency] [--without-telemetry] [--json]
 *
 * --low-latency plays from an app in stream.lowLatencyApps, whose window stays small while the usual one is what is given.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { distribution } from '@weir/cli/load/distribution';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { type RtmpMessage, TYPE } from '@weir/edge/rtmp/message';
import { Protocol } from '@weir/edge/rtmp/protocol';
import { AAC_HEADER, AVC_HEADER } from '@weir/test/harness/frame-publisher';
import { startMeasuredNode } from './rtmp/measured-node.ts';

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '50' },
    windows: { type: 'string', default: '0,50,100,350' },
    for: { type: 'string', default: '10' },
    'low-latency': { type: 'boolean', default: false },
    'without-telemetry': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

/** 720p25 with AAC, as peers.md: 25 pictures and 43 pieces of sound a second, 870 kbit/s, a key frame every 2 s. */
const FRAME_MS = 40;
const SOUND_MS = 1_024 / 44.1;
const FRAMES_PER_GOP = 50;
const KEY_BYTES = 20_000;
const FRAME_BYTES = 3_500;
const SOUND_BYTES = 320;
/** The time of sending stands here. */
const STAMP_AT = 5;
const SETTLE_MS = 2_000;
const JOIN_PAUSE_MS = 20;

/** Publishes in real time until told to stop. */
async function publish(client: RtmpClient, stopped: () => boolean): Promise<void> {
  client.send(TYPE.video, 0, AVC_HEADER);
  client.send(TYPE.audio, 0, AAC_HEADER);
  const startMs = performance.now();
  let [frames, sounds] = [0, 0];
  while (!stopped()) {
    const isFrame = frames * FRAME_MS <= sounds * SOUND_MS;
    const atMs = isFrame ? frames * FRAME_MS : sounds * SOUND_MS;
    const earlyMs = startMs + atMs - performance.now();
    if (earlyMs > 1) await delay(earlyMs);
    const isKey = isFrame && frames % FRAMES_PER_GOP === 0;
    const payload = Buffer.alloc(isKey ? KEY_BYTES : isFrame ? FRAME_BYTES : SOUND_BYTES, 7);
    payload[0] = isKey ? 0x17 : isFrame ? 0x27 : 0xaf;
    payload[1] = 1;
    payload.writeDoubleBE(performance.now(), STAMP_AT);
    client.send(isFrame ? TYPE.video : TYPE.audio, Math.round(atMs), payload);
    if (isFrame) frames += 1;
    else sounds += 1;
  }
}

async function measure(windowMs: number) {
  const app = values['low-latency'] ? 'quick' : 'live';
  const node = await startMeasuredNode(
    {
      stream: {
        mergeWindowMinMs: values['low-latency'] ? 0 : windowMs,
        mergeWindowMaxMs: windowMs,
        lowLatencyApps: ['quick'],
      },
    },
    { core: '0', measures: !values['without-telemetry'] },
  );
  const clients: RtmpClient[] = [];
  const [host = '', port = ''] = node.addresses.rtmp.split(':');
  const protocol = new Protocol();
  const connect = async (onMessage?: (message: RtmpMessage) => void) => {
    const client = await RtmpClient.connect({
      host,
      port: Number(port),
      app,
      protocol,
      ...(onMessage && { onMessage }),
    });
    clients.push(client);
    return client;
  };
  let isOver = false;
  try {
    const publisher = await connect();
    await publisher.publish('delay');
    const publishing = publish(publisher, () => isOver);
    await delay(SETTLE_MS);
    const delays: { video: number[]; audio: number[] } = { video: [], audio: [] };
    const firstFrames: number[] = [];
    let isMeasuring = false;
    for (let viewer = 0; viewer < Number(values.viewers); viewer += 1) {
      const askedMs = performance.now();
      let sawFrame = false;
      const client = await connect(({ type, payload }) => {
        if ((type !== TYPE.video && type !== TYPE.audio) || payload[1] !== 1) return;
        const nowMs = performance.now();
        if (type === TYPE.video && !sawFrame) {
          sawFrame = true;
          firstFrames.push(nowMs - askedMs);
        }
        if (isMeasuring) delays[type === TYPE.video ? 'video' : 'audio'].push(nowMs - payload.readDoubleBE(STAMP_AT));
      });
      await client.play('delay');
      await delay(JOIN_PAUSE_MS);
    }
    await delay(SETTLE_MS);
    isMeasuring = true;
    await delay(Number(values.for) * 1_000);
    isMeasuring = false;
    const { stats } = await node.report();
    isOver = true;
    await publishing;
    return {
      windowMs,
      viewers: Number(values.viewers),
      lowLatency: values['low-latency'],
      measures: !values['without-telemetry'],
      videoMs: distribution(delays.video),
      audioMs: distribution(delays.audio),
      messages: delays.video.length + delays.audio.length,
      firstFrameMs: distribution(firstFrames),
      longestFlushMs: Number(stats.longestFlushMs.toFixed(1)),
    };
  } finally {
    isOver = true;
    for (const client of clients) client.close();
    await node.close();
  }
}

spawnSync('taskset', ['-cp', '1', `${process.pid}`]);
const results: Awaited<ReturnType<typeof measure>>[] = [];
say('window ms   viewers   video p50/p95/max ms     audio p50/p95/max ms     first frame p50/p95 ms   messages');
for (const windowMs of values.windows.split(',').map(Number)) {
  const result = await measure(windowMs);
  results.push(result);
  const three = ({ p50, p95, max }: typeof result.videoMs) => `${p50} / ${p95} / ${max}`;
  const { p50, p95 } = result.firstFrameMs;
  say(
    [
      `${windowMs}`.padStart(9),
      `${result.viewers}`.padStart(10),
      three(result.videoMs).padStart(23),
      three(result.audioMs).padStart(25),
      `${p50} / ${p95}`.padStart(27),
      `${result.messages}`.padStart(11),
    ].join(''),
  );
}
process.stdout.write(`${JSON.stringify({ bench: 'rtmp-delay', results })}\n`);
