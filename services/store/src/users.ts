/** Who asks: the two users of the store and the three ways HTTP clients of ClickHouse say who they are. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { refuse } from './exceptions.ts';

/** A user's name and password; an empty password is a password like any other. */
export interface Credentials {
  name: string;
  password: string;
}

/** The users of a store. */
export interface StoreUsers {
  /** May do everything the engine can. */
  writer: Credentials;
  /** May read tables, nothing else. */
  reader: Credentials;
}

/** What a user may do. */
export type Role = keyof StoreUsers;

/**
 * The role of who sent a request: by `X-ClickHouse-User`/`-Key` headers, else basic authentication, else the `user` and
 * `password` URL parameters. Takes the same time whichever user or byte is wrong.
 * @throws QueryException AUTHENTICATION_FAILED (516).
 */
export function authenticate(users: StoreUsers, headers: IncomingHttpHeaders, url: URLSearchParams): Role {
  const given = credentialsOf(headers, url);
  const writer = matches(given, users.writer);
  const reader = matches(given, users.reader);
  if (writer) return 'writer';
  if (reader) return 'reader';
  throw refuse(
    'AUTHENTICATION_FAILED',
    `${given.name}: Authentication failed: password is incorrect, or there is no user with such name`,
  );
}

function credentialsOf(headers: IncomingHttpHeaders, url: URLSearchParams): Credentials {
  const user = headers['x-clickhouse-user'];
  if (user !== undefined) return { name: String(user), password: String(headers['x-clickhouse-key'] ?? '') };
  const basic = /^Basic\s+(\S+)$/i.exec(headers.authorization ?? '');
  if (basic) {
    const pair = Buffer.from(basic[1]!, 'base64').toString('utf8');
    const colon = pair.indexOf(':');
    return colon < 0 ? { name: pair, password: '' } : { name: pair.slice(0, colon), password: pair.slice(colon + 1) };
  }
  return { name: url.get('user') ?? 'default', password: url.get('password') ?? '' };
}

function matches(given: Credentials, known: Credentials): boolean {
  const name = timingSafeEqual(digest(given.name), digest(known.name));
  const password = timingSafeEqual(digest(given.password), digest(known.password));
  return name && password;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
