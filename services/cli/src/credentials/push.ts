/**
 * Tells the running NATS servers what the account is now: revoked credentials are refused from then on, and whoever is
 * connected with them is cut off. Before it: authority.ts; after it: the account resolver of every server.
 */
import { connect, createInbox, credsAuthenticator } from '@nats-io/transport-node';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import type { Authority } from './authority.ts';

/** Subject on which servers with a full resolver take JWTs of accounts. */
const UPDATE_SUBJECT = '$SYS.REQ.CLAIMS.UPDATE';
const DIAL_TIMEOUT_MS = 3_000;
/** All servers answer; nobody says how many there are, so answers are waited for this long after the last one. */
const QUIET_MS = 500;

interface Answer {
  data?: { code: number; message: string };
  error?: { code: number; description: string };
}

/**
 * Sends the account to all servers of the cluster that `servers` belong to; how many took it.
 * @throws WeirError `NODE_PUSH` when none does: what was changed stands in the folder and can be pushed again.
 */
export async function pushAccount(authority: Authority, { servers }: Pick<Config['nats'], 'servers'>): Promise<number> {
  const refuse = (reason: string, cause?: unknown) =>
    new WeirError(
      'NODE_PUSH',
      `The change is made but no NATS server at ${servers.join(', ')} took it (${reason}): run "weir node push" when they are back.`,
      { retryable: true, ...(cause === undefined ? {} : { cause }) },
    );
  const creds = await authority.systemCreds();
  const options = {
    servers,
    name: 'weir-node-push',
    timeout: DIAL_TIMEOUT_MS,
    authenticator: credsAuthenticator(creds),
  };
  const connection = await connect({ ...options, maxReconnectAttempts: 0 }).catch((error: unknown) => {
    throw refuse(errorMessage(error), error);
  });
  try {
    const inbox = createInbox();
    const answers = connection.subscribe(inbox);
    let timer = setTimeout(() => answers.unsubscribe(), DIAL_TIMEOUT_MS);
    connection.publish(UPDATE_SUBJECT, await authority.accountJwt(), { reply: inbox });
    let taken = 0;
    let refused = 'none answered';
    for await (const message of answers) {
      const { data, error } = message.json<Answer>();
      if (data?.code === 200) taken++;
      else refused = error?.description ?? data?.message ?? refused;
      clearTimeout(timer);
      timer = setTimeout(() => answers.unsubscribe(), QUIET_MS);
    }
    clearTimeout(timer);
    if (taken === 0) throw refuse(refused);
    return taken;
  } finally {
    await connection.close();
  }
}
