/**
 * Who a resource is (cluster, site, machine, node) and the inventory rows it yields. Done once per distinct resource.
 * Before it: raw resource bytes of an OTLP message; after it: the series cache and the report rows.
 */
import { type Attributes, type AttributeValue, attributeText, readAttributes } from '@weir/contracts/otlp/attributes';
import { WireReader } from '@weir/contracts/otlp/wire';
import { INGEST_ROLE, RESOURCE } from '@weir/contracts/resource';

/** The four columns every table carries; empty = unknown. */
export interface Identity {
  readonly cluster: string;
  readonly site: string;
  readonly machineId: string;
  readonly node: string;
}

/** What stands in for a resource that does not say it. */
export type IdentityDefaults = Pick<Identity, 'cluster' | 'site'>;

/** A resource as ingest needs it. */
export interface ResourceFacts {
  readonly identity: Identity;
  /** JSON object of a `machine_reports` row without its braces and its `time`; undefined when the machine is unknown. */
  readonly machineReport: string | undefined;
  /** The same for `node_reports`. */
  readonly nodeReport: string | undefined;
  /** The same for `otlp_senders`. */
  readonly senderReport: string | undefined;
}

/**
 * Decodes the bytes of an OTLP Resource.
 * @throws OtlpError when they are broken.
 */
export function readResource(bytes: Uint8Array, defaults: IdentityDefaults): ResourceFacts {
  const reader = new WireReader(bytes);
  const attributes = readAttributes(reader, reader.length, 1);
  const text = (name: string) => attributeText(attributes.get(name));
  const identity = {
    cluster: text(RESOURCE.cluster) || defaults.cluster,
    site: text(RESOURCE.site) || defaults.site,
    machineId: text(RESOURCE.machineId),
    node: text(RESOURCE.node),
  };
  const all = textAttributes(attributes);
  const isSender = attributes.has(RESOURCE.otlpSender);
  return {
    identity,
    senderReport: isSender ? senderReport(identity, all) : undefined,
    machineReport: identity.machineId === '' ? undefined : machineReport(identity, attributes, all),
    // senders by OTLP are in the table otlp_senders, copies of ingest are no media nodes
    nodeReport:
      identity.node === '' || isSender || text(RESOURCE.role) === INGEST_ROLE
        ? undefined
        : nodeReport(identity, attributes, all),
  };
}

/** Attributes as a JSON-ready map of text. */
export function textAttributes(attributes: Attributes): Record<string, string> {
  const all: Record<string, string> = Object.create(null);
  for (const [name, value] of attributes) all[name] = attributeText(value);
  return all;
}

function machineReport(identity: Identity, attributes: Attributes, all: Record<string, string>): string {
  return jsonFields({
    cluster: identity.cluster,
    site: identity.site,
    machine_id: identity.machineId,
    host_name: attributeText(attributes.get(RESOURCE.hostName)),
    arch: attributeText(attributes.get(RESOURCE.hostArch)),
    os: attributeText(attributes.get(RESOURCE.osDescription)) || attributeText(attributes.get(RESOURCE.osType)),
    kernel: attributeText(attributes.get(RESOURCE.kernel)),
    cpu_models: texts(attributes.get(RESOURCE.cpuModels)),
    cpu_count: clampedInteger(attributes.get(RESOURCE.cpuLogicalCount), UINT32_MAX),
    memory_bytes: clampedInteger(attributes.get(RESOURCE.memoryBytes), Number.MAX_SAFE_INTEGER),
    network_cards: texts(attributes.get(RESOURCE.networkCards)).map(networkCard),
    attributes: all,
  });
}

function nodeReport(identity: Identity, attributes: Attributes, all: Record<string, string>): string {
  return jsonFields({
    cluster: identity.cluster,
    site: identity.site,
    machine_id: identity.machineId,
    node: identity.node,
    role: attributeText(attributes.get(RESOURCE.role)),
    version: attributeText(attributes.get(RESOURCE.serviceVersion)),
    pid: clampedInteger(attributes.get(RESOURCE.processId), UINT32_MAX),
    attributes: all,
  });
}

function senderReport(identity: Identity, all: Record<string, string>): string {
  return jsonFields({
    cluster: identity.cluster,
    node: identity.node,
    sender: all[RESOURCE.otlpSender],
    service: all[RESOURCE.serviceName] ?? '',
    attributes: all,
  });
}

/** The tuple of the column `network_cards`; an entry that is no JSON becomes a card of that name. */
function networkCard(text: string): { name: string; mac: string; ip: string[]; speed_bits: number } {
  let card: Record<string, unknown> = { name: text };
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) card = parsed as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return {
    name: typeof card.name === 'string' ? card.name : '',
    mac: typeof card.mac === 'string' ? card.mac : '',
    ip: Array.isArray(card.ip) ? card.ip.map(String) : [],
    speed_bits: clampedInteger(Number(card.speedBitsPerSecond), Number.MAX_SAFE_INTEGER),
  };
}

function texts(value: AttributeValue): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value.map(attributeText) : [attributeText(value)];
}

/** A whole number from 0 to `maximum`; 0 for anything that is none. */
export function clampedInteger(value: AttributeValue, maximum: number): number {
  const number = Math.floor(Number(value));
  return number > 0 ? Math.min(number, maximum) : 0;
}

/** A JSON object without its braces, so that fields can be put in front. */
function jsonFields(fields: Record<string, unknown>): string {
  return JSON.stringify(fields).slice(1, -1);
}

export const UINT32_MAX = 4_294_967_295;
