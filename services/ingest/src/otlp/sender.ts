/**
 * Under whose name an OTLP resource is stored: `otlp-<token>-<instance>`, a name that no node of Weir can have and that
 * only holders of that token can write under (M9). A sender's host is no machine of the cluster either: its `host.id` is
 * kept under another name, or a stranger could write into a machine's figures.
 */
import { createHash } from 'node:crypto';
import { OTLP_NODE_PREFIX } from '@weir/contracts/nats/names';
import { type Attributes, attributeText } from '@weir/contracts/otlp/attributes';
import { WireWriter } from '@weir/contracts/otlp/wire-writer';
import { RESOURCE } from '@weir/contracts/resource';

const MAX_NAME = 63;
const HASH_DIGITS = 10;

/** The name of a resource, or undefined when it does not say what it is. */
export function senderNode(sender: string, attributes: Attributes): string | undefined {
  const text = (name: string) => attributeText(attributes.get(name));
  const parts = [text(RESOURCE.serviceName), text(RESOURCE.hostName) || text(RESOURCE.machineId)];
  const instance = text(RESOURCE.node) || parts.filter((part) => part !== '').join('-');
  if (instance === '') return undefined;
  const name = `${OTLP_NODE_PREFIX}${sender}-${instance}`;
  if (name.length <= MAX_NAME && /^[A-Za-z0-9_-]+$/.test(name)) return name;
  // what is cut or replaced must not make two one
  const digest = createHash('sha256').update(instance).digest('hex').slice(0, HASH_DIGITS);
  return `${name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, MAX_NAME - HASH_DIGITS - 1)}-${digest}`;
}

/** Bytes of the resource with what we say of it behind what it says itself: of a repeated attribute the last counts. */
export function namedResource(resource: Uint8Array, node: string, sender: string, attributes: Attributes): Buffer {
  const writer = new WireWriter().raw(resource);
  const add = (key: string, value: string) =>
    writer.bytes(1, new WireWriter().text(1, key).bytes(2, new WireWriter().text(1, value).finish()).finish());
  add(RESOURCE.node, node);
  add(RESOURCE.otlpSender, sender);
  const hostId = attributeText(attributes.get(RESOURCE.machineId));
  if (hostId !== '') {
    add(RESOURCE.otlpHostId, hostId);
    add(RESOURCE.machineId, '');
  }
  // cluster and site are ours to say
  if (attributes.has(RESOURCE.cluster)) add(RESOURCE.cluster, '');
  return writer.finish();
}
