/** Resource attributes of everything a node reports: who it is, and the inventory of its machine (M1). */

import type { NodeRole } from './nats/records.ts';

/** Roles of those who report: media nodes, and agents on machines without one. */
export type MeasuredRole = NodeRole | 'agent';

export const RESOURCE = {
  cluster: 'weir.cluster',
  site: 'weir.site',
  machineId: 'host.id',
  /** Node name; OpenTelemetry's name for one running copy of a service. */
  node: 'service.instance.id',
  role: 'weir.node.role',
  serviceName: 'service.name',
  serviceVersion: 'service.version',
  hostName: 'host.name',
  hostArch: 'host.arch',
  hostIp: 'host.ip',
  hostMac: 'host.mac',
  osType: 'os.type',
  osDescription: 'os.description',
  osVersion: 'os.version',
  /** Kernel release. */
  kernel: 'os.kernel.version',
  /** Distinct CPU models, one entry per physical processor. */
  cpuModels: 'host.cpu.model.name',
  cpuLogicalCount: 'host.cpu.logical.count',
  memoryBytes: 'host.memory.size',
  /** One JSON object per entry: {@link NetworkCard}. */
  networkCards: 'host.network.cards',
  processId: 'process.pid',
  /** `host:port` under which clients and members reach the node. */
  addressRtmp: 'weir.node.address.rtmp',
  addressRelay: 'weir.node.address.relay',
  addressHttp: 'weir.node.address.http',
  /** Set by ingest's OTLP receiver only: name of the token the resource came with. Such a resource is no node of Weir. */
  otlpSender: 'weir.otlp.sender',
  /** Set by the same: the `host.id` the sender gave. */
  otlpHostId: 'weir.otlp.host.id',
} as const;

/** `service.name` of every Weir node. */
export const SERVICE_NAME = 'weir';

/** {@link RESOURCE.role} of a copy of ingest, which reports itself but is no media node and no machine of the cluster. */
export const INGEST_ROLE = 'ingest';

/** One network card in the inventory. `speedBitsPerSecond` is 0 when nobody knows it. */
export interface NetworkCard {
  name: string;
  mac: string;
  ip: string[];
  speedBitsPerSecond: number;
}
