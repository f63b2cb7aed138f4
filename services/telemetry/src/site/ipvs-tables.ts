/** Reads what the kernel and `ipvsadm` write about IPVS. Before it: their text; after it: ipvs.ts. */

/** One virtual service. */
export interface IpvsService {
  /** `address:port`; of IPv6 `[address]:port`. */
  address: string;
  servers: IpvsServer[];
}

/** One edge behind it. */
export interface IpvsServer {
  address: string;
  weight: number;
  /** Established connections. */
  active: number;
  inactive: number;
}

/** What an edge was given since it joined the service. */
export interface EdgeTotals {
  service: string;
  server: string;
  connections: number;
  packetsIn: number;
  packetsOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** Services in the text of /proc/net/ip_vs; those by firewall mark have no address and are left out. */
export function parseIpvsTable(text: string): IpvsService[] {
  const services: IpvsService[] = [];
  let service: IpvsService | undefined;
  for (const line of text.split('\n')) {
    if (/^\S/.test(line)) {
      const address = /^(?:TCP|UDP|SCTP)\s+(\S+)/.exec(line)?.[1];
      service = address === undefined ? undefined : { address: readable(address), servers: [] };
      if (service) services.push(service);
    }
    const edge = /^\s+->\s+(\S+:[0-9A-F]{4})\s+\S+\s+(\d+)\s+(\d+)\s+(\d+)/.exec(line);
    if (!edge || !service) continue;
    const [, address = '', weight, active, inactive] = edge;
    service.servers.push({
      address: readable(address),
      weight: Number(weight),
      active: Number(active),
      inactive: Number(inactive),
    });
  }
  return services;
}

/** Totals by service and edge in the text of `ipvsadm -Ln --stats --exact`. */
export function parseIpvsStats(text: string): Map<string, EdgeTotals> {
  const totals = new Map<string, EdgeTotals>();
  let service: string | undefined;
  for (const line of text.split('\n')) {
    const head = /^(TCP|UDP|SCTP|FWM)\s+(\S+)/.exec(line);
    if (head) service = head[1] === 'FWM' ? undefined : head[2];
    const edge = /^\s+->\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(line);
    if (!edge || service === undefined) continue;
    const [, server = '', ...counts] = edge;
    const [connections = 0, packetsIn = 0, packetsOut = 0, bytesIn = 0, bytesOut = 0] = counts.map(Number);
    totals.set(`${service} ${server}`, { service, server, connections, packetsIn, packetsOut, bytesIn, bytesOut });
  }
  return totals;
}

/** `0A090064:078F` as `10.9.0.100:1935`; IPv6 addresses are written out already. */
function readable(address: string): string {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at);
  const port = Number.parseInt(address.slice(at + 1), 16);
  const bytes = /^[0-9A-F]{8}$/.test(host) ? host.match(/../g) : undefined;
  return `${bytes ? bytes.map((byte) => Number.parseInt(byte, 16)).join('.') : host}:${port}`;
}
