#!/usr/bin/env node
/**
 * The command `weir` (node_modules/.bin/weir, so `npx weir …`). Before it: any Node from 18 on and npm. After it:
 * services/cli/src/main.ts, run by Node 24 with the locked dependencies in place.
 */
import { launch } from './launch.mjs';

await launch('services/cli/src/main.ts', process.argv.slice(2));
