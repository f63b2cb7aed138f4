/**
 * What the name server of this machine answers, and what it thinks of the groups behind its names: the rendered zone has
 * for each name a `_health` text that tells every address with the result of the server's own check. Before it: PowerDNS
 * on this machine; after it: metrics.
 */
import { Resolver } from 'node:dns/promises';
import { ConfigError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { SITE_ATTRIBUTE } from '@weir/contracts/site-metrics';
import type { Measure, MetricSource } from '../measurement.ts';

/** What {@link dnsMetrics} needs. */
export interface DnsOptions {
  /** `address:port` of the name server. */
  server: string;
  /** Whole names that clients ask for. */
  names: readonly string[];
  logger: Logger;
}

/** One group behind a name. */
export interface GroupHealth {
  set: string;
  address: string;
  isUp: boolean;
}

const TIMEOUT_MS = 1_000;

/** The name server as a source. @throws ConfigError `AGENT_DNS_SERVER` when its address is none. */
export function dnsMetrics({ server, names, logger }: DnsOptions): MetricSource {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  try {
    resolver.setServers([server]);
  } catch (error) {
    const message = `agent.dnsServer is "${server}"; write it as address:port, like 127.0.0.1:53.`;
    throw new ConfigError('AGENT_DNS_SERVER', message, { cause: error });
  }
  return {
    async sample(measure) {
      await Promise.all(names.map((name) => ask(resolver, name, measure, logger)));
    },
  };
}

async function ask(resolver: Resolver, name: string, measure: Measure, logger: Logger): Promise<void> {
  const who = { [SITE_ATTRIBUTE.dnsName]: name };
  try {
    const askedAt = performance.now();
    const addresses = await resolver.resolve4(name);
    measure('weir.dns.answer.time', (performance.now() - askedAt) / 1_000, who);
    measure('weir.dns.answers', addresses.length, who);
    const texts = await resolver.resolveTxt(`_health.${name}`);
    for (const { set, address, isUp } of texts.flatMap((parts) => parseHealth(parts.join('')))) {
      const attributes = { ...who, [SITE_ATTRIBUTE.dnsAddress]: address, [SITE_ATTRIBUTE.dnsSet]: set };
      measure('weir.dns.address.up', isUp ? 1 : 0, attributes);
    }
    measure('weir.dns.answer.failures', 0, who);
  } catch (error) {
    measure('weir.dns.answers', 0, who);
    measure('weir.dns.answer.failures', 1, who);
    logger.debug({ err: error, name }, 'the name server did not answer');
  }
}

/** Groups in a text like `answers 10.20.0.100=1 10.30.0.100=0; backup 10.40.0.100=1`; what is none of this is left out. */
export function parseHealth(text: string): GroupHealth[] {
  return text.split(';').flatMap((part) => {
    const [set = '', ...groups] = part.trim().split(/\s+/);
    return groups.flatMap((group) => {
      const [, address, up] = /^([^=]+)=([01])$/.exec(group) ?? [];
      return address === undefined ? [] : [{ set, address, isUp: up === '1' }];
    });
  });
}
