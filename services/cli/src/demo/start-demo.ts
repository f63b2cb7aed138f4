/** The demo as one part: the bundled clip, its publisher on one edge, its viewers on another. */
import type { Logger } from '@weir/contracts/logger';
import { readClip } from '@weir/edge/relay/clip';
import type { RunningPart } from '../service/run-service.ts';
import { startPublisher, startViewer } from './clients.ts';
import { DEMO_STREAM } from './stream.ts';

/** Where the demo publishes and plays, on this machine. */
export interface DemoPlan {
  publishPort: number;
  playPort: number;
  viewers: number;
}

const CLIP = new URL('../../assets/demo.flv', import.meta.url);

/** Starts publisher and viewers; resolves when all of them get through. */
export async function startDemo(plan: DemoPlan, logger: Logger): Promise<RunningPart> {
  const at = (port: number) => ({ host: '127.0.0.1', port, ...DEMO_STREAM });
  const clients = [
    startPublisher(readClip(CLIP), at(plan.publishPort), logger),
    ...Array.from({ length: plan.viewers }, () => startViewer(at(plan.playPort), logger)),
  ];
  await Promise.all(clients.map((client) => client.first));
  return {
    urls: {},
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}
