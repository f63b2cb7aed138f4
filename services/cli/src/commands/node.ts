/** `weir node`: credentials of nodes in NATS, one user each: make them, exchange them, take them away. */
import { resolve } from 'node:path';
import { ConfigError } from '@weir/contracts/errors';
import { isNodeName } from '@weir/contracts/nats/names';
import type { CliCommand, Invocation } from '../cli-command.ts';
import { Authority, type AuthorityUser, SERVER_FILE, USER_ROLES, type UserRole } from '../credentials/authority.ts';
import { pushAccount } from '../credentials/push.ts';
import { type Column, tableLines } from '../print/table.ts';

const COLUMNS: readonly Column<AuthorityUser>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'role', value: ({ role }) => role },
  { title: 'issued', value: ({ keys }) => (keys.at(-1)?.issuedAt ?? '').slice(0, 19).replace('T', ' ') },
  { title: 'good', align: 'right', value: ({ keys }) => String(keys.length) },
  { title: 'public key', value: ({ keys }) => keys.at(-1)?.publicKey ?? '' },
];

export const node: CliCommand = {
  description:
    'Credentials of nodes in NATS. A node may publish its own telemetry and hold its own names, and nothing of others; ' +
    'adding one changes no server. The folder of --keys holds the keys that sign: back it up, and keep it off the ' +
    'machines that serve.',
  sections: ['cluster', 'nats'],
  examples: [
    [
      'weir node init',
      `an authority in ./weir-keys; NATS servers include its ${SERVER_FILE}, ingest uses its ingest.creds`,
    ],
    ['weir node add edge-7', 'writes weir-keys/edge-7.creds; on the node: nats.credsFile'],
    ['weir node add origin-3 --role origin', 'the same for an origin; agent, ingest and admin are roles too'],
    ['weir node rotate edge-7', 'new credentials; the old ones stay good until the file is exchanged on the node'],
    ['weir node rotate edge-7 --finish', 'and now they are not'],
    ['weir node remove edge-3', 'revoked everywhere, and cut off where it is connected'],
    ['weir node list', 'who has credentials'],
  ],
  define(command) {
    command.argument('<action>', 'init, add, rotate, remove, list or push');
    command.argument('[name]', 'name of the node');
    command.option('--role <role>', `add: ${USER_ROLES.join(', ')}`, 'edge');
    command.option('--finish', 'rotate: revoke all but the newest credentials');
    command.option('--keys <dir>', 'folder of the authority', 'weir-keys');
    command.option('--server-dir <dir>', 'init: where servers keep what they know of accounts', '/var/lib/nats/jwt');
    command.option('--json', 'list: print JSON');
  },
  async run(invocation) {
    const [action = ''] = invocation.args;
    const act = ACTIONS[action];
    if (act) return act(invocation, resolve(String(invocation.options.keys)));
    const known = Object.keys(ACTIONS).join(', ');
    throw new ConfigError('NODE_ACTION', `weir node knows ${known}, not "${action}".`);
  },
};

const say = (line: string) => process.stdout.write(`${line}\n`);

const ACTIONS: Record<string, (invocation: Invocation, folder: string) => Promise<number>> = {
  async init({ config, options }, folder) {
    await Authority.create(folder, config().cluster, String(options.serverDir));
    say(`${folder}: include ${SERVER_FILE} in every NATS server, give ingest.creds to ingest, keep the rest.`);
    return 0;
  },
  async add(invocation, folder) {
    const name = nameOf(invocation);
    const role = String(invocation.options.role);
    if (!USER_ROLES.includes(role as UserRole))
      throw new ConfigError('NODE_ROLE', `There is no role "${role}"; there are ${USER_ROLES.join(', ')}.`);
    say(`${await Authority.open(folder).add(name, role as UserRole)}: put it on the node as nats.credsFile.`);
    return 0;
  },
  async rotate(invocation, folder) {
    const name = nameOf(invocation);
    const authority = Authority.open(folder);
    if (invocation.options.finish !== true) {
      const path = await authority.rotate(name);
      say(`${path}: exchange the file on the node, then run weir node rotate ${name} --finish.`);
      return 0;
    }
    await authority.retireOld(name);
    return push(authority, invocation, `${name}: only the newest credentials are good`);
  },
  async remove(invocation, folder) {
    const name = nameOf(invocation);
    const authority = Authority.open(folder);
    await authority.remove(name);
    return push(authority, invocation, `${name}: its credentials are revoked`);
  },
  async list({ options }, folder) {
    const { users } = Authority.open(folder);
    if (options.json === true) say(JSON.stringify(users));
    else for (const line of tableLines(COLUMNS, users)) say(line);
    return 0;
  },
  async push(invocation, folder) {
    return push(Authority.open(folder), invocation, 'What is revoked is known');
  },
};

async function push(authority: Authority, { config }: Invocation, done: string): Promise<number> {
  const taken = await pushAccount(authority, config().nats);
  say(`${done}, at ${taken === 1 ? 'the NATS server' : `${taken} NATS servers`}.`);
  return 0;
}

function nameOf({ args }: Invocation): string {
  const [action = '', name = ''] = args;
  if (isNodeName(name)) return name;
  const message = name === '' ? `weir node ${action} needs the name of a node.` : `"${name}" is no node name`;
  throw new ConfigError('NODE_NAME', name === '' ? message : `${message}: letters, digits, - and _, at most 63.`);
}
