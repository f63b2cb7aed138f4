/** The resource of everything a node reports: who it is, and the inventory of its machine (M1). */
import { hostname } from 'node:os';
import type { Config } from '@weir/contracts/config/schema';
import type { NodeRecord } from '@weir/contracts/nats/records';
import { type MeasuredRole, RESOURCE, SERVICE_NAME } from '@weir/contracts/resource';
import manifest from '../package.json' with { type: 'json' };
import type { Inventory } from './host/inventory.ts';

/** Who a node is. */
export interface NodeIdentity {
  node: string;
  role: MeasuredRole;
  /** `host:port` as others reach it; none for an agent, which nobody connects to. */
  addresses?: NodeRecord['addresses'];
}

export type ResourceAttributes = Record<string, string | number | string[]>;

/** Attributes for `identity` on the machine `machineId` with `inventory`. */
export function resourceAttributes(
  config: Pick<Config, 'cluster' | 'site'>,
  identity: NodeIdentity,
  machineId: string,
  inventory: Inventory,
): ResourceAttributes {
  return {
    [RESOURCE.serviceName]: SERVICE_NAME,
    [RESOURCE.serviceVersion]: manifest.version,
    [RESOURCE.cluster]: config.cluster,
    [RESOURCE.site]: config.site,
    [RESOURCE.machineId]: machineId,
    [RESOURCE.node]: identity.node,
    [RESOURCE.role]: identity.role,
    ...addressAttributes(identity.addresses),
    [RESOURCE.processId]: process.pid,
    [RESOURCE.hostName]: hostname(),
    [RESOURCE.hostArch]: inventory.arch,
    [RESOURCE.hostIp]: inventory.cards.flatMap((card) => card.ip),
    [RESOURCE.hostMac]: inventory.cards.map((card) => card.mac),
    [RESOURCE.osType]: inventory.osType,
    [RESOURCE.osDescription]: inventory.osDescription,
    [RESOURCE.osVersion]: inventory.osVersion,
    [RESOURCE.kernel]: inventory.kernel,
    [RESOURCE.cpuModels]: inventory.cpuModels,
    [RESOURCE.cpuLogicalCount]: inventory.cpuLogicalCount,
    [RESOURCE.memoryBytes]: inventory.memoryBytes,
    [RESOURCE.networkCards]: inventory.cards.map((card) => JSON.stringify(card)),
  };
}

function addressAttributes(addresses: NodeIdentity['addresses']): ResourceAttributes {
  if (!addresses) return {};
  return {
    [RESOURCE.addressRtmp]: addresses.rtmp,
    [RESOURCE.addressRelay]: addresses.relay,
    [RESOURCE.addressHttp]: addresses.http,
  };
}
