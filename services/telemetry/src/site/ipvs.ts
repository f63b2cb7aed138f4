/**
 * What this director's kernel balances. Weights and open connections are read from /proc/net/ip_vs; totals per edge are
 * told by netlink only, so `ipvsadm` (which needs CAP_NET_ADMIN) is asked for them. Before it: the kernel; after it: metrics.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { SITE_ATTRIBUTE } from '@weir/contracts/site-metrics';
import type { Measure, MetricSource, SeriesAttributes } from '../measurement.ts';
import { type EdgeTotals, parseIpvsStats, parseIpvsTable } from './ipvs-tables.ts';

const run = promisify(execFile);
const TABLE_PATH = '/proc/net/ip_vs';
const TIMEOUT_MS = 2_000;

/** The kernel's virtual services as a source. Totals count from the first sample on, and from zero for an edge that comes back. */
export function ipvsMetrics(logger: Logger): MetricSource {
  let totals: ReadonlyMap<string, EdgeTotals> | undefined;
  let isTold = false;
  return {
    async sample(measure) {
      const table = await readFile(TABLE_PATH, 'latin1').catch(() => '');
      for (const service of parseIpvsTable(table)) {
        const serving = service.servers.filter((server) => server.weight > 0).length;
        measure('weir.ipvs.servers', serving, { [SITE_ATTRIBUTE.ipvsService]: service.address });
        for (const server of service.servers) {
          const who = serverAttributes(service.address, server.address);
          measure('weir.ipvs.weight', server.weight, who);
          for (const state of ['active', 'inactive'] as const) {
            measure('weir.ipvs.connections', server[state], { ...who, [SITE_ATTRIBUTE.ipvsConnectionState]: state });
          }
        }
      }
      try {
        const { stdout } = await run('ipvsadm', ['-Ln', '--stats', '--exact'], { timeout: TIMEOUT_MS });
        const now = parseIpvsStats(stdout);
        measureTotals(totals, now, measure);
        totals = now;
        isTold = false;
      } catch (error) {
        if (!isTold) logger.warn({ err: error }, `ipvsadm gave no totals: ${errorMessage(error)}`);
        isTold = true;
      }
    },
  };
}

/** @param before undefined at the first sample, which is the baseline: the kernel has counted since boot. */
function measureTotals(
  before: ReadonlyMap<string, EdgeTotals> | undefined,
  now: ReadonlyMap<string, EdgeTotals>,
  measure: Measure,
): void {
  for (const [key, edge] of now) {
    const last = before?.get(key);
    const increase = (of: (totals: EdgeTotals) => number) => {
      if (before === undefined) return 0;
      const added = of(edge) - (last ? of(last) : 0);
      return added < 0 ? of(edge) : added;
    };
    const who = serverAttributes(edge.service, edge.server);
    measure(
      'weir.ipvs.connections.opened',
      increase((totals) => totals.connections),
      who,
    );
    const received = { ...who, [SITE_ATTRIBUTE.direction]: 'receive' };
    const transmitted = { ...who, [SITE_ATTRIBUTE.direction]: 'transmit' };
    measure(
      'weir.ipvs.packets',
      increase((totals) => totals.packetsIn),
      received,
    );
    measure(
      'weir.ipvs.packets',
      increase((totals) => totals.packetsOut),
      transmitted,
    );
    measure(
      'weir.ipvs.io',
      increase((totals) => totals.bytesIn),
      received,
    );
    measure(
      'weir.ipvs.io',
      increase((totals) => totals.bytesOut),
      transmitted,
    );
  }
}

function serverAttributes(service: string, server: string): SeriesAttributes {
  return { [SITE_ATTRIBUTE.ipvsService]: service, [SITE_ATTRIBUTE.ipvsServer]: server };
}
