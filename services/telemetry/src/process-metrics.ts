/** CPU, memory and event-loop delay of this process. After it: the instruments. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MetricSource } from './measurement.ts';

/** How often the event loop's delay is probed; each probe wakes the process (20 ms: 0.2 % of a core, 50 ms: 0.1 %). */
const PROBE_MS = 50;

/** This process as a source; `close()` ends the probe. */
export function processMetrics(): MetricSource & { close(): void } {
  const delay = monitorEventLoopDelay({ resolution: PROBE_MS });
  delay.enable();
  // the process's CPU time starts at zero with it, so the first sample counts all of it
  let cpu = { user: 0, system: 0 };
  return {
    sample(measure, { elapsedMs }) {
      const now = process.cpuUsage();
      const userMicros = now.user - cpu.user;
      const systemMicros = now.system - cpu.system;
      const sinceMs = cpu.user === 0 ? process.uptime() * 1_000 : elapsedMs;
      cpu = now;
      measure('process.cpu.time', userMicros / 1e6, { 'cpu.mode': 'user' });
      measure('process.cpu.time', systemMicros / 1e6, { 'cpu.mode': 'system' });
      if (sinceMs > 0) measure('process.cpu.utilization', (userMicros + systemMicros) / 1_000 / sinceMs);
      measure('process.memory.usage', process.memoryUsage.rss());
      measure('process.uptime', process.uptime());
      if (delay.count > 0) {
        measure('nodejs.eventloop.delay.p99', beyondProbe(delay.percentile(99)));
        measure('nodejs.eventloop.delay.max', beyondProbe(delay.max));
      }
      delay.reset();
    },
    close: () => delay.disable(),
  };
}

/** Node records the time between two probes (ns), the probe's own interval included; the delay (s) is what is beyond. */
function beyondProbe(nanos: number): number {
  return Math.max(0, nanos / 1e9 - PROBE_MS / 1_000);
}
