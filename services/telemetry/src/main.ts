/**
 * `weir agent`: measures a machine that has no media node (director, name server, NATS, ClickHouse …) and what runs
 * there. Reads the configuration and joins the parts. Before it: the command line; after it: ingest.
 */
import { hostname } from 'node:os';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError, WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import { HeldNats } from '@weir/contracts/nats/held-nats';
import { isNodeName } from '@weir/contracts/nats/names';
import { type AgentName, holdAgentName, type NameHolder } from './agent-name.ts';
import type { EventQueue } from './event-queue.ts';
import { startMeasuring } from './measuring.ts';
import { parseDirectedGroups } from './site/directed-groups.ts';
import { dnsMetrics } from './site/dns.ts';
import { ipvsMetrics } from './site/ipvs.ts';
import { watchVrrp } from './site/vrrp.ts';

/** A running agent. */
export interface Agent {
  readonly name: string;
  /** Resolves when the next line of the UTC grid gives the first sample. */
  readonly ready: Promise<void>;
  /** Rejects with WeirError `AGENT_NAME_TAKEN` when it ended because another machine has its name; else it stays open. */
  readonly ended: Promise<string>;
  /** Takes a sample off the grid into the outbox. */
  flush(): Promise<void>;
  /** Takes the last sample and gives NATS, if it is there, 2 s to take it. */
  close(): Promise<void>;
}

/**
 * Starts to measure this machine; NATS need not be there.
 * @throws ConfigError `AGENT_NAME`, `CONFIG_INVALID` (agent.groups), and what `startMeasuring` throws.
 */
export async function startAgent(config: Readonly<Config>, logger: Logger): Promise<Agent> {
  const name = config.node.name === '' ? hostname().replaceAll('.', '-') : config.node.name;
  if (!isNodeName(name)) {
    throw new ConfigError('AGENT_NAME', `"${name}" is no name of a node (letters, digits, - and _): set node.name.`);
  }
  const { dnsServer, dnsNames, ipvs } = config.agent;
  const groups = parseDirectedGroups(config.agent.groups);
  let events: EventQueue | undefined;
  const vrrp = groups.length > 0 ? watchVrrp({ groups, events: () => events, logger }) : undefined;
  const sources = [
    ...(vrrp ? [vrrp] : []),
    ...(ipvs ? [ipvsMetrics(logger)] : []),
    ...(dnsServer === '' ? [] : [dnsMetrics({ server: dnsServer, names: dnsNames, logger })]),
  ];
  const nats = connectNats(config.nats, `weir-${name}`, logger);
  const heldNats = new HeldNats(nats);
  let held: AgentName | undefined;
  const end = async () => {
    vrrp?.close();
    await held?.close();
    await nats.close();
  };
  const identity = { node: name, role: 'agent' as const };
  const measuring = await startMeasuring({ config, identity, nats: heldNats, sources, logger }).catch(
    async (error: unknown) => {
      await end();
      throw error;
    },
  );
  events = measuring.events;
  const ended = Promise.withResolvers<string>();
  // whoever does not wait for the end is not to be killed by it
  ended.promise.catch(() => undefined);
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= measuring.close().then(end));
  held = holdAgentName({
    config,
    name,
    machineId: measuring.machineId,
    nats,
    onName: (isHeld) => {
      heldNats.isHeld = isHeld;
    },
    onRefused: (holder) =>
      void close()
        .catch((error: unknown) => logger.error({ err: error }, 'the agent did not close well'))
        .then(() => ended.reject(nameTaken(name, holder))),
    logger,
  });
  return { name, ready: measuring.ready, ended: ended.promise, flush: () => measuring.flush(), close };
}

function nameTaken(name: string, holder: NameHolder): WeirError {
  const who = `${holder.role} on the machine ${holder.machineId}, process ${holder.pid}`;
  return new WeirError(
    'AGENT_NAME_TAKEN',
    `The name ${name} is held by the ${who}: give this agent its own node.name.`,
  );
}
