/**
 * Asks running nodes over NATS and collects their answers. Before it: a command; after it: the nodes' control listeners
 * (services/edge/src/cluster/control.ts).
 */
import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Config } from '@weir/contracts/config/schema';
import { createLogger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import type { ControlAnswer, ControlRequest } from '@weir/contracts/nats/control';
import { CLUSTER_SUBJECT } from '@weir/contracts/nats/names';

const NATS_TIMEOUT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 2_000;
/** After the last answer nobody else is expected when nothing came for so long. */
const QUIET_MS = 300;

/** Connects, works, closes. @throws WeirError `NATS_UNREACHABLE`, `NATS_AUTH`. */
export async function withNats<T>(
  config: Config['nats'],
  work: (connection: NatsConnection) => Promise<T>,
): Promise<T> {
  const handle = connectNats(config, 'weir-control', createLogger('control', 'silent'));
  try {
    return await work(await handle.ready(NATS_TIMEOUT_MS));
  } finally {
    await handle.close();
  }
}

/** The answer of one node; undefined when it does not answer in time. */
export async function askNode(
  connection: NatsConnection,
  node: string,
  request: ControlRequest,
): Promise<ControlAnswer | undefined> {
  return (await ask(connection, CLUSTER_SUBJECT.control(node), request, 1))[0];
}

/** The answers of all nodes, as they came. @param expected how many are known to live: nobody waits for more. */
export function askAll(
  connection: NatsConnection,
  request: ControlRequest,
  expected: number,
): Promise<ControlAnswer[]> {
  return ask(connection, CLUSTER_SUBJECT.controlAll, request, expected);
}

async function ask(
  connection: NatsConnection,
  subject: string,
  request: ControlRequest,
  expected: number,
): Promise<ControlAnswer[]> {
  const reply = CLUSTER_SUBJECT.reply(randomUUID());
  const answers: ControlAnswer[] = [];
  if (expected === 0) return answers;
  const done = Promise.withResolvers<void>();
  const timeout = setTimeout(done.resolve, ANSWER_TIMEOUT_MS);
  let quiet: NodeJS.Timeout | undefined;
  const subscription = connection.subscribe(reply, {
    callback: (error, message) => {
      if (error) return done.reject(error);
      // NATS itself says, without a body, that nobody listens.
      if (message.data.length === 0) return done.resolve();
      answers.push(message.json<ControlAnswer>());
      clearTimeout(quiet);
      if (answers.length >= expected) done.resolve();
      else if (answers.length >= expected / 2) quiet = setTimeout(done.resolve, QUIET_MS);
    },
  });
  connection.publish(subject, JSON.stringify(request), { reply });
  try {
    await done.promise;
  } finally {
    clearTimeout(timeout);
    clearTimeout(quiet);
    subscription.unsubscribe();
  }
  return answers;
}
