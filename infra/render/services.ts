/**
 * What clients find at a virtual address, and the port of an edge behind each of them. Firewalls, keepalived and the
 * edges' configuration are made from this one list, so that they cannot differ.
 */
import type { Topology } from '@weir/contracts/topology/schema';

/** One port of the virtual address. */
export interface Service {
  name: string;
  /** Port that clients use. */
  port: number;
  /** Port of an edge that it becomes, which answers nobody by itself. */
  hidden: number;
  /** A client comes to the same edge for so long; 0 = off. */
  persistenceSeconds: number;
}

/** RTMP and HTTP, and both over TLS where the topology says that edges have a certificate. */
export function services({ ports, limits, clientTls }: Topology): Service[] {
  const { rtmp, http } = limits.persistenceSeconds;
  const plain = [
    { name: 'RTMP', port: ports.rtmp, hidden: ports.rtmpHidden, persistenceSeconds: rtmp },
    { name: 'HTTP', port: ports.http, hidden: ports.node, persistenceSeconds: http },
  ];
  if (!clientTls.enabled) return plain;
  return [
    ...plain,
    { name: 'RTMPS', port: ports.rtmps, hidden: ports.rtmpsHidden, persistenceSeconds: rtmp },
    { name: 'HTTPS', port: ports.https, hidden: ports.nodeTls, persistenceSeconds: http },
  ];
}
