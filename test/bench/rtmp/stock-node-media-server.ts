/** node-media-server as it comes from npm, for comparison: `node stock-node-media-server.ts PORT`. */
import { createRequire } from 'node:module';

interface StockServer {
  run(): void;
}

const require = createRequire(new URL('../../../services/edge/package.json', import.meta.url));
const NodeMediaServer = require('node-media-server') as new (config: object) => StockServer;

new NodeMediaServer({ bind: '127.0.0.1', logLevel: 'error', rtmp: { port: Number(process.argv[2]) } }).run();
