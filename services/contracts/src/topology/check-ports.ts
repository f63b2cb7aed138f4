/** Whether the listeners of a machine, and those of a virtual address, have ports of their own. Used by `check.ts`. */
import type { Report } from './check.ts';
import type { Machine, Topology } from './schema.ts';

/** A listener: its port and the key that says it, or what it is where none does. */
type Listener = readonly [port: number, from: string];

export function checkPorts(topology: Topology, report: Report): void {
  const { ports, machines } = topology;
  const of = (...keys: (keyof Topology['ports'])[]) => keys.map((key): Listener => [ports[key], `ports.${key}`]);
  distinct(of('rtmp', 'rtmpHidden'), 'on an edge: hiding needs two', report);
  distinct(of('rtmps', 'rtmpsHidden'), 'on an edge: hiding needs two', report);
  distinct(of('rtmp', 'http', 'rtmps', 'https'), 'on the virtual address', report);
  const known = new Set<string>();
  for (const [name, machine] of Object.entries(machines)) {
    distinct(listeners(topology, machine, of), `on ${name} (${machine.roles.join(', ')})`, report, known);
  }
}

/** All that listens on a machine. */
function listeners(
  { admin, clientTls }: Topology,
  { roles, group }: Machine,
  of: (...keys: (keyof Topology['ports'])[]) => Listener[],
): Listener[] {
  const tls = clientTls.enabled;
  const edge =
    group === undefined
      ? [...of('rtmp', 'node', 'relay'), ...(tls ? of('rtmps', 'nodeTls') : [])]
      : [...of('rtmpHidden', 'node', 'relay'), ...(tls ? of('rtmpsHidden', 'nodeTls') : [])];
  const byRole: Record<Machine['roles'][number], Listener[]> = {
    edge,
    origin: of('originRtmp', 'originNode', 'originRelay'),
    ingest: of('ingest'),
    dns: [[53, 'that of DNS']],
    nats: of('nats', 'natsCluster', 'natsLeaf', 'natsMonitor'),
    'nats-leaf': of('nats', 'natsMonitor'),
    clickhouse: [
      ...of('clickhouse', 'clickhouseNative', 'keeper', 'keeperRaft'),
      [9009, 'that between ClickHouse servers'],
    ],
    grafana: of('grafana'),
  };
  return [[admin.sshPort, 'admin.sshPort'], ...roles.flatMap((role) => byRole[role])];
}

/** Each pair once: the same two keys meet on many machines. */
function distinct(listeners: readonly Listener[], where: string, report: Report, known = new Set<string>()): void {
  const seen = new Map<number, string>();
  for (const [port, from] of listeners) {
    const other = seen.get(port);
    seen.set(port, from);
    if (other === undefined || other === from || known.has(`${other} ${from}`)) continue;
    known.add(`${other} ${from}`);
    report(
      'PORT_TWICE',
      from.startsWith('that') ? other : from,
      `${port} is already ${from.startsWith('that') ? from : other} ${where}`,
    );
  }
}
