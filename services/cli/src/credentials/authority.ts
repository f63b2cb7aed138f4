/**
 * The cluster's own authority for NATS credentials: an operator, an account that everything runs in, and one user per node,
 * each a JWT signed by the one above (NATS' decentralised authentication). Servers are told the account once; a new user
 * needs no change of any server, a removed one is a revocation in the account's JWT, pushed to the running servers.
 * Before it: `weir node`; after it: files for servers and nodes, and push.ts. The seeds lie in one file: keep it off the
 * machines that serve.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
  fromSeed,
  type KeyPair,
} from '@nats-io/jwt';
import { ConfigError } from '@weir/contracts/errors';
import { agentRights, ingestRights, nodeRights, type Rights } from '@weir/contracts/nats/rights';

/** What a user may do; `admin` everything in the account. */
export const USER_ROLES = ['edge', 'origin', 'agent', 'ingest', 'admin'] as const;
export type UserRole = (typeof USER_ROLES)[number];

/** One user; its newest key is the last. */
export interface AuthorityUser {
  name: string;
  role: UserRole;
  keys: { publicKey: string /** ISO 8601. */; issuedAt: string }[];
}

interface State {
  cluster: string;
  /** Folder in which each server keeps what it was told of accounts. */
  resolverDir: string;
  operatorSeed: string;
  accountSeed: string;
  systemSeed: string;
  users: AuthorityUser[];
  /** Unix time, s, by public key: credentials issued until then are refused. */
  revocations: Record<string, number>;
}

const STATE_FILE = 'authority.json';
/** What servers include in their configuration. */
export const SERVER_FILE = 'nats-auth.conf';
const SECRET_MODE = 0o600;
const UNLIMITED = -1;
const ACCOUNT_LIMITS = {
  ...{ subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED },
  ...{ imports: UNLIMITED, exports: UNLIMITED, wildcards: true, conn: UNLIMITED, leaf: UNLIMITED },
};
const JETSTREAM_LIMITS = { mem_storage: UNLIMITED, disk_storage: UNLIMITED, streams: UNLIMITED, consumer: UNLIMITED };

/** The authority in one folder. Every change is on disk when its method resolves. */
export class Authority {
  readonly #folder: string;
  readonly #state: State;

  private constructor(folder: string, state: State) {
    this.#folder = folder;
    this.#state = state;
  }

  /**
   * Makes a new one, with credentials of the roles ingest and admin.
   * @param resolverDir folder in which each server keeps what it is told of accounts.
   * @throws ConfigError `NODE_AUTHORITY_EXISTS`
   */
  static async create(folder: string, cluster: string, resolverDir: string): Promise<Authority> {
    if (existsSync(join(folder, STATE_FILE)))
      throw new ConfigError(
        'NODE_AUTHORITY_EXISTS',
        `There is an authority in ${folder} already; nothing was changed.`,
      );
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const state: State = {
      cluster,
      resolverDir,
      operatorSeed: seedOf(createOperator()),
      accountSeed: seedOf(createAccount()),
      systemSeed: seedOf(createAccount()),
      users: [],
      revocations: {},
    };
    const authority = new Authority(folder, state);
    await authority.add('ingest', 'ingest');
    await authority.add('admin', 'admin');
    return authority;
  }

  /** @throws ConfigError `NODE_AUTHORITY_MISSING` */
  static open(folder: string): Authority {
    try {
      return new Authority(folder, JSON.parse(readFileSync(join(folder, STATE_FILE), 'utf8')) as State);
    } catch (error) {
      const message = `There is no authority in ${folder}; make one with "weir node init", or name its folder with --keys.`;
      throw new ConfigError('NODE_AUTHORITY_MISSING', message, { cause: error });
    }
  }

  get users(): readonly AuthorityUser[] {
    return this.#state.users;
  }

  /** Credentials for a new user; where they were written. @throws ConfigError `NODE_CREDENTIALS_EXIST` */
  async add(name: string, role: UserRole): Promise<string> {
    if (this.#state.users.some((user) => user.name === name)) {
      const message = `${name} has credentials already; weir node rotate ${name} makes new ones.`;
      throw new ConfigError('NODE_CREDENTIALS_EXIST', message);
    }
    return this.#issue({ name, role, keys: [] });
  }

  /** Further credentials for a user: the former ones go on being good until {@link retireOld}. */
  rotate(name: string): Promise<string> {
    return this.#issue(this.#user(name));
  }

  /** Revokes all credentials of a user but the newest. */
  async retireOld(name: string): Promise<void> {
    const user = this.#user(name);
    this.#revoke(user.keys.slice(0, -1));
    await this.#save({ ...user, keys: user.keys.slice(-1) });
  }

  /** Revokes all credentials of a user and forgets it. */
  async remove(name: string): Promise<void> {
    const user = this.#user(name);
    this.#revoke(user.keys);
    this.#state.users = this.#state.users.filter((other) => other !== user);
    await this.#save();
  }

  /** JWT of the account as it is now, for running servers. */
  async accountJwt(): Promise<string> {
    const { cluster, operatorSeed, accountSeed, revocations } = this.#state;
    const limits = { ...ACCOUNT_LIMITS, ...JETSTREAM_LIMITS };
    const signer = { signer: keys(operatorSeed) };
    return encodeAccount(cluster, keys(accountSeed), { limits, revocations }, signer);
  }

  /** Credentials of the servers' own account, for one push; nowhere on disk. */
  async systemCreds(): Promise<Uint8Array> {
    const user = createUser();
    return fmtCreds(await encodeUser('weir-push', user, keys(this.#state.systemSeed)), user);
  }

  async #issue(user: AuthorityUser): Promise<string> {
    const pair = createUser();
    const { publish, subscribe } = rightsOf(user);
    const rights = user.role === 'admin' ? {} : { pub: { allow: [...publish] }, sub: { allow: [...subscribe] } };
    const jwt = await encodeUser(user.name, pair, keys(this.#state.accountSeed), rights);
    const issued = { publicKey: pair.getPublicKey(), issuedAt: new Date().toISOString() };
    await this.#save({ ...user, keys: [...user.keys, issued] });
    const path = join(this.#folder, `${user.name}.creds`);
    write(path, Buffer.from(fmtCreds(jwt, pair)).toString('utf8'));
    return path;
  }

  #user(name: string): AuthorityUser {
    const user = this.#state.users.find((candidate) => candidate.name === name);
    if (user) return user;
    throw new ConfigError(
      'NODE_CREDENTIALS_UNKNOWN',
      `No credentials of ${name} were made here; weir node list shows whose.`,
    );
  }

  #revoke(revoked: AuthorityUser['keys']): void {
    const nowSeconds = Math.ceil(Date.now() / 1_000);
    for (const { publicKey } of revoked) this.#state.revocations[publicKey] = nowSeconds;
  }

  async #save(changed?: AuthorityUser): Promise<void> {
    const { users } = this.#state;
    const at = users.findIndex((user) => user.name === changed?.name);
    if (changed && at >= 0) users[at] = changed;
    else if (changed) users.push(changed);
    write(join(this.#folder, STATE_FILE), `${JSON.stringify(this.#state, null, 2)}\n`);
    write(join(this.#folder, SERVER_FILE), await this.#serverFile());
  }

  async #serverFile(): Promise<string> {
    const { cluster, resolverDir, operatorSeed, accountSeed, systemSeed } = this.#state;
    const operator = keys(operatorSeed);
    const [account, system] = [keys(accountSeed).getPublicKey(), keys(systemSeed).getPublicKey()];
    const operatorJwt = await encodeOperator(cluster, operator, { system_account: system });
    const systemJwt = await encodeAccount('SYS', keys(systemSeed), { limits: ACCOUNT_LIMITS }, { signer: operator });
    return `# Written by weir node; the same for every NATS server of the cluster: include "${SERVER_FILE}" in its configuration.
# It holds no secret. The preloaded accounts count at the first start; later changes reach servers by "weir node".
operator: ${operatorJwt}
system_account: ${system}
resolver: { type: full, dir: ${JSON.stringify(resolverDir)}, allow_delete: false, interval: "2m" }
resolver_preload: {
  ${system}: ${systemJwt}
  ${account}: ${await this.accountJwt()}
}
`;
  }
}

function rightsOf({ name, role }: AuthorityUser): Rights {
  if (role === 'agent') return agentRights(name);
  return role === 'ingest' ? ingestRights() : nodeRights(name);
}

function seedOf(pair: KeyPair): string {
  return Buffer.from(pair.getSeed()).toString('utf8');
}

function keys(seed: string): KeyPair {
  return fromSeed(Buffer.from(seed));
}

/** Whole or not at all, for the owner alone. */
function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: SECRET_MODE });
  renameSync(`${path}.new`, path);
}
