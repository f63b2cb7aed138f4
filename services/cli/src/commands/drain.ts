/** `weir drain`: takes a node out of service, or back in. Others stop sending it clients and pulls; who is on it stays. */
import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { ConfigError, WeirError } from '@weir/contracts/errors';
import type { ControlRequest } from '@weir/contracts/nats/control';
import { isNodeName } from '@weir/contracts/nats/names';
import type { NodeRecord } from '@weir/contracts/nats/records';
import type { CliCommand } from '../cli-command.ts';
import { liveNodes } from '../cluster-view.ts';
import { askNode, withNats } from '../node-control.ts';
import { duration } from '../print/units.ts';
import { findRun } from '../run-state.ts';

const LOOK_EVERY_MS = 1_000;
const MAX_DEADLINE_SECONDS = 604_800;

export const drain: CliCommand = {
  description:
    'Take a node out without cutting anybody off: other nodes pull its streams elsewhere, without a gap, load balancers ' +
    'give it no more clients (its weight is 0, /readyz says draining), and publishers and viewers on it stay until they ' +
    'leave; those whose protocol knows that (Enhanced RTMP) are asked to reconnect elsewhere. A restart ends the drain, as ' +
    'does --undo. With --deadline the node ends when it is empty, at the latest then; who is still on it is cut little by ' +
    'little over the last quarter of that time (a minute at most), so that the other nodes do not get all at once. With ' +
    '--wait the command ends when nobody is left.',
  sections: ['nats'],
  examples: [
    ['weir drain origin-1', 'its streams move to the other origins'],
    ['weir drain edge-2 --wait 600', 'wait at most ten minutes until all clients have left'],
    ['weir drain edge-2 --deadline 600', 'the node ends when it is empty, at the latest after ten minutes'],
    ['weir drain edge-2 --undo', 'back to service'],
  ],
  define(command) {
    command.argument('<node>', 'name of the node');
    command.option('--wait <seconds>', 'wait until no publisher, viewer or relay is left; status 1 when time is up');
    command.option('--deadline <seconds>', 'the node ends when it is empty, at the latest after so long');
    command.option('--undo', 'put the node back into service');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run({ args, config: read, options }) {
    const node = args[0] ?? '';
    if (!isNodeName(node)) throw new ConfigError('DRAIN_NODE', `"${node}" is no node name; weir nodes lists them.`);
    const undo = options.undo === true;
    const waitSeconds = options.wait === undefined ? 0 : Number(options.wait);
    if (!(waitSeconds >= 0)) throw new ConfigError('DRAIN_WAIT', `--wait takes seconds, not "${options.wait}".`);
    const deadlineSeconds = options.deadline === undefined ? undefined : Number(options.deadline);
    if (deadlineSeconds !== undefined && !(deadlineSeconds >= 0 && deadlineSeconds <= MAX_DEADLINE_SECONDS)) {
      const range = `0 to ${MAX_DEADLINE_SECONDS}`;
      throw new ConfigError('DRAIN_DEADLINE', `--deadline takes seconds, ${range}, not "${options.deadline}".`);
    }
    const config = read(findRun(options.data as string | undefined)?.config);
    return withNats(config.nats, async (connection) => {
      const actor = operator();
      const request: ControlRequest = undo
        ? { command: 'serve', actor }
        : { command: 'drain', actor, ...(deadlineSeconds === undefined ? {} : { deadlineSeconds }) };
      const answer = await askNode(connection, node, request);
      if (!answer) throw await silence(connection, node);
      if (!answer.ok) throw new WeirError('DRAIN_REFUSED', `${node} says: ${answer.message}`);
      process.stdout.write(undo ? `${node} serves again.\n` : `${node} drains.\n`);
      return undo || waitSeconds === 0 ? 0 : waitUntilEmpty(connection, node, waitSeconds);
    });
  },
};

/** Who drains, for the node's audit: `person@host`. */
function operator(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return hostname(); // a user without a name, as in some containers
  }
}

/** Why nobody answered. */
async function silence(connection: NatsConnection, node: string): Promise<WeirError> {
  const names = (await liveNodes(connection)).map((record) => record.node);
  const known = names.length === 0 ? 'no node is alive' : `alive are ${names.join(', ')}`;
  return names.includes(node)
    ? new WeirError('DRAIN_SILENT', `${node} is alive and does not answer; try again.`, { retryable: true })
    : new WeirError('DRAIN_UNKNOWN', `There is no node ${node}: ${known}.`);
}

async function waitUntilEmpty(connection: NatsConnection, node: string, waitSeconds: number): Promise<number> {
  const endMs = Date.now() + waitSeconds * 1_000;
  for (;;) {
    const record = (await liveNodes(connection)).find((one) => one.node === node);
    const left = record ? clients(record) : 0;
    if (left === 0) {
      process.stdout.write(record ? `${node} is empty.\n` : `${node} is gone.\n`);
      return 0;
    }
    if (Date.now() >= endMs) {
      const { publishers = 0, viewers = 0, relays = 0 } = record?.load ?? {};
      const what = `${publishers} publishers, ${viewers} viewers and ${relays} relays`;
      process.stderr.write(`weir: after ${duration(waitSeconds)} ${what} are still on ${node}. [DRAIN_NOT_EMPTY]\n`);
      return 1;
    }
    await sleep(Math.min(LOOK_EVERY_MS, Math.max(1, endMs - Date.now())));
  }
}

function clients({ load }: NodeRecord): number {
  return load.publishers + load.viewers + load.relays;
}
