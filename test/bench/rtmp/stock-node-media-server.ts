/** node-media-server as it comes from npm, for comparison: `node stock-node-media-server.ts PORT`. */
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface StockServer {
  run(): void;
}

const require = createRequire(new URL('../../../services/edge/package.json', import.meta.url));
const NodeMediaServer = require('node-media-server') as new (config: object) => StockServer;

process.chdir(mkdtempSync(join(tmpdir(), 'weir-bench-stock-'))); // it keeps a folder `data` where it stands
new NodeMediaServer({ bind: '127.0.0.1', logLevel: 'error', rtmp: { port: Number(process.argv[2]) } }).run();
