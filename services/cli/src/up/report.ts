/** What `weir up` tells people when it is ready: where everything is, and commands to copy. */
import { basename } from 'node:path';
import { DEMO_STREAM } from '../demo/stream.ts';
import { DATA_DIR, type RunState } from '../run-state.ts';

/** The lines of the announcement. `demo`: a stream is already playing. */
export function announcement(state: RunState, timings: string, demo: boolean): string[] {
  const entries: [string, string][] = [];
  for (const node of state.nodes) {
    if (node.role === 'edge') {
      entries.push([`${node.name}  push, play`, `${node.rtmp}/live/<name>`]);
      entries.push([`${node.name}  HTTP-FLV`, `${node.http}/live/<name>.flv`]);
      entries.push([`${node.name}  player`, `${node.http}/player/?stream=live/<name>`]);
    } else
      entries.push([
        `${node.name}  relay`,
        `${new URL(node.http).hostname}:${node.ports.relay}  (edges pull through it)`,
      ]);
  }
  for (const [name, url] of Object.entries(state.urls)) entries.push([name, url]);
  const width = Math.max(...entries.map(([name]) => name.length));
  const edges = state.nodes.filter((node) => node.role === 'edge');
  const [first, last] = [edges[0], edges.at(-1)];
  const stream = `${DEMO_STREAM.app}/${DEMO_STREAM.name}`;
  const mine = 'live/mine';
  // Other commands look for .weir in their folder and those above it.
  const data = basename(state.dataDir) === DATA_DIR ? '' : `--data ${state.dataDir} `;
  return [
    '',
    `Weir is ready after ${(state.readyMs / 1000).toFixed(1)} s (${timings}).`,
    '',
    ...entries.map(([name, url]) => `  ${name.padEnd(width)}  ${url}`),
    `  ${'data'.padEnd(width)}  ${state.dataDir}  (logs/ holds each part’s log)`,
    '',
    'Try:',
    ...(demo ? [`  ffplay ${last?.rtmp}/${stream}`, `  open ${last?.http}/player/?stream=${stream} in a browser`] : []),
    `  ffmpeg -re -f lavfi -i testsrc2=size=640x360:rate=25 -c:v libx264 -pix_fmt yuv420p -g 25 -f flv ${first?.rtmp}/${mine}`,
    `  ffplay ${last?.rtmp}/${mine}`,
    `  npx weir sql ${data}"SELECT * FROM node_load ORDER BY time DESC LIMIT 8"`,
    '',
    'Ctrl-C stops everything.',
  ];
}
