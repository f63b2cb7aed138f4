/**
 * What a client is asked when its node goes out of service: connect anew (Enhanced RTMP v2, NetConnection.Connect
 * ReconnectRequest), and where. Before it: a drain; after it: the session, which says it to those who know how.
 */
import type { AmfObject } from './amf0.ts';

/** A request to all clients of a node. */
export interface ReconnectRequest {
  /** For people. */
  description: string;
  /** `host:port` by which this node itself is reached. */
  from: string;
  /** The same of nodes that take clients; clients are spread over them in turn. Empty: nobody is known. */
  to: readonly string[];
}

const DEFAULT_PORT = '1935';

/**
 * The status for a client that connected with `tcUrl`. A client that connected to this very node is told another one; who
 * came by any other name (a virtual address, a DNS name of many) is led elsewhere by that name, and is told none.
 */
export function reconnectStatus(tcUrl: string, { description, from, to }: ReconnectRequest, turn: number): AmfObject {
  const status = { level: 'status', code: 'NetConnection.Connect.ReconnectRequest', description };
  const url = URL.parse(tcUrl);
  const next = to[turn % Math.max(1, to.length)];
  if (url?.protocol !== 'rtmp:' || next === undefined || addressOf(url) !== from) return status;
  return { ...status, tcUrl: `rtmp://${next}${url.pathname}${url.search}` };
}

function addressOf({ hostname, port }: URL): string {
  return `${hostname}:${port === '' ? DEFAULT_PORT : port}`;
}
