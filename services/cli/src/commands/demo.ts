/** `weir demo` (hidden): the demo publisher and viewers of `weir up --demo`, in a process of their own. */

import type { CliCommand } from '../cli-command.ts';
import { DEMO_STREAM } from '../demo/stream.ts';
import { runService } from '../service/run-service.ts';

export const demo: CliCommand = {
  description: 'Push the bundled clip to one edge and play it from another, by RTMP, until stopped.',
  sections: ['log'],
  examples: [['weir demo --publish-port 1935 --play-port 1945 --viewers 3', 'what weir up --demo runs']],
  define(command) {
    command.option('--publish-port <n>', 'RTMP port of the edge to publish to', '1935');
    command.option('--play-port <n>', 'RTMP port of the edge to play from', '1945');
    command.option('--viewers <n>', 'how many viewers', '3');
  },
  async run({ config: read, options }) {
    const config = read();
    const [{ readClip }, { startPublisher, startViewer }] = await Promise.all([
      import('../demo/clip.ts'),
      import('../demo/clients.ts'),
    ]);
    const clip = readClip(new URL('../../assets/demo.flv', import.meta.url));
    const at = (port: unknown) => ({ host: '127.0.0.1', port: Number(port), ...DEMO_STREAM });
    return runService({
      part: 'demo',
      logLevel: config.log.level,
      json: false,
      async start(logger) {
        const publisher = startPublisher(clip, at(options.publishPort), logger);
        const viewers = Array.from({ length: Number(options.viewers) }, () =>
          startViewer(at(options.playPort), logger),
        );
        const clients = [publisher, ...viewers];
        await Promise.all(clients.map((client) => client.first));
        return {
          urls: {},
          close: async () => {
            await Promise.all(clients.map((client) => client.close()));
          },
        };
      },
    });
  },
};
