/**
 * One node's place in the cluster: it watches the others, shows itself, stands for election, drains when told to. Before
 * it: the NATS handle; after it: routing and pulls, which ask it who lives and what this node is to be. No media here, so
 * that hundreds of members can be run in one process (npm run bench -- cluster).
 */
import type { Logger } from '@weir/contracts/logger';
import { Bucket } from '@weir/contracts/nats/bucket';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import type { ControlAnswer, ControlRequest, ExternalLink, NodeStream } from '@weir/contracts/nats/control';
import { type Heartbeat, startHeartbeat } from '@weir/contracts/nats/heartbeat';
import { BUCKET, NODE_HEARTBEAT_MS, NODE_LEASE_MS, STREAM_LEASE_MS } from '@weir/contracts/nats/names';
import type { NodeRecord, NodeRole, RivalRecord } from '@weir/contracts/nats/records';
import type { ClusterEvent } from '../stats.ts';
import { type Control, startControl } from './control.ts';
import { ClusterDirectory, type NodeCause } from './directory.ts';
import { Election, type ElectionCause } from './election.ts';
import { LoadWeight, type Usage } from './load-weight.ts';

/** What a node says of itself; the rest of its record is known here. */
export type NodeDescription = Omit<NodeRecord, 'draining' | 'elected' | 'weight'>;

/** Options of {@link Member}. */
export interface MemberOptions {
  nats: NatsHandle;
  node: string;
  role: NodeRole;
  /** Of the buckets. */
  replicas: number;
  /** Origins wanted; 0 = by the number of live nodes. */
  wantedOrigins: number;
  /** A stream's record changed, or (undefined) a node or this one's own role did. */
  onChange(stream: string | undefined): void;
  /** Somebody, here or elsewhere, lost its connection to `node`. */
  onSuspect?(node: string): void;
  /** This node holds its name, or holds it no longer. */
  onName?(isHeld: boolean): void;
  /** The name is another machine's, or another process's, and was never this node's: it must not serve under it. */
  onRefused?(holder: NodeRecord): void;
  /** Something that is to be found in SQL later. */
  onEvent(event: ClusterEvent): void;
  logger: Logger;
}

/** What is asked of a node that joined. */
export interface Presence {
  describe(): NodeDescription;
  usage(): Usage;
  streams(): NodeStream[];
  externals(): ExternalLink[];
  /** An operator drains the node; with a deadline it ends when it is empty or time is up. */
  drain(deadlineMs: number | undefined, actor: string): void;
  /** An operator ends the drain. */
  serve(actor: string): void;
}

/** How long a node tells who was refused its name. */
const RIVAL_SHOWN_MS = 600_000;

/** See the head of the file. */
export class Member {
  readonly directory: ClusterDirectory;
  /** Claims on names live here. */
  readonly streamsBucket: Bucket;
  readonly #options: MemberOptions;
  readonly #nodesBucket: Bucket;
  readonly #election: Election;
  readonly #control: Control;
  readonly #load = new LoadWeight();
  #presence: Presence | undefined;
  #heartbeat: Heartbeat | undefined;
  #loadTimer: NodeJS.Timeout | undefined;
  #draining = false;
  #hasHeldName = false;
  #rival: RivalRecord | undefined;
  #leaving: Promise<void> | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    const { nats, node, role, replicas, wantedOrigins, onChange, logger } = options;
    const bucket = (name: string, leaseMs = NODE_LEASE_MS) => new Bucket(nats, { name, leaseMs, replicas }, logger);
    this.#nodesBucket = bucket(BUCKET.nodes);
    this.streamsBucket = bucket(BUCKET.streams, STREAM_LEASE_MS);
    this.directory = new ClusterDirectory({
      nats,
      nodes: this.#nodesBucket,
      streams: this.streamsBucket,
      onChange,
      onNode: (record, cause) => this.#noteNode(record, cause),
      logger,
    });
    this.#election = new Election({
      nats,
      bucket: bucket(BUCKET.roles),
      directory: this.directory,
      node,
      role,
      wanted: wantedOrigins,
      onChange: (elected, cause) => this.#elected(elected, cause),
      logger,
    });
    this.#control = startControl({
      nats,
      node,
      answer: (request) => this.#answer(request),
      onSuspect: (suspect) => this.#suspected(suspect),
      onRival: (rival) => this.#heardRival(rival),
      logger,
    });
  }

  /** True while this edge serves as origin too. */
  get isElected(): boolean {
    return this.#election.isElected;
  }

  /** True when other nodes get streams through this one. */
  get servesAsOrigin(): boolean {
    return this.#options.role === 'origin' || this.isElected;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** 0 (takes nothing more) to 100 (idle). */
  get weight(): number {
    return this.#draining ? 0 : this.#load.value;
  }

  /** Shows this node to the others from now on. */
  join(presence: Presence): void {
    this.#presence = presence;
    this.#loadTimer = setInterval(() => this.#load.sample(presence.usage()), NODE_HEARTBEAT_MS).unref();
    const { nats, logger } = this.#options;
    this.#heartbeat = startHeartbeat({
      nats,
      bucket: this.#nodesBucket,
      record: () => this.#record(presence),
      onHeld: () => {
        this.#hasHeldName = true;
        this.#options.onName?.(true);
      },
      onTaken: (holder) => this.#nameTaken(holder, presence.describe()),
      logger,
    });
    this.#options.onEvent({ kind: 'mark', mark: 'serving', reason: 'It takes connections.' });
  }

  /** The connection to `node` was lost: it counts as gone sooner unless it is heard of, here and elsewhere. */
  suspect(node: string): void {
    this.#suspected(node);
    this.#control.tellSuspect(node);
  }

  #suspected(node: string): void {
    this.directory.suspect(node);
    this.#options.onSuspect?.(node);
  }

  /** Others stop to send clients and pulls here, or begin again. What is connected stays. */
  drain(draining: boolean): void {
    if (draining === this.#draining) return;
    this.#draining = draining;
    this.#heartbeat?.beat();
    const [mark, reason] = draining
      ? (['draining', 'An operator drains it.'] as const)
      : (['serving', 'An operator ended the drain.'] as const);
    this.#options.onEvent({ kind: 'mark', mark, reason });
    this.#options.logger.info({ draining }, 'drain');
  }

  /** Leaves the cluster: gives up its place, its record goes. What it knows of others stays until it is closed. */
  leave(): Promise<void> {
    this.#leaving ??= (async () => {
      clearInterval(this.#loadTimer);
      await this.#election.close();
      await this.#heartbeat?.close();
    })();
    return this.#leaving;
  }

  /** Leaves, and stops to listen. */
  async close(): Promise<void> {
    await this.leave();
    this.#control.close();
    this.directory.close();
  }

  #record(presence: Presence): NodeRecord {
    const own = { ...presence.describe(), draining: this.#draining, elected: this.isElected, weight: this.weight };
    const isRecent = this.#rival && Date.now() - this.#rival.atMs < RIVAL_SHOWN_MS;
    return isRecent && this.#rival ? { ...own, rival: this.#rival } : own;
  }

  #nameTaken(holder: NodeRecord, { machineId, pid, addresses }: NodeDescription): void {
    const { node, onName, onRefused, logger } = this.#options;
    onName?.(false);
    this.#control.tellRival({ machineId, pid, address: addresses.rtmp, atMs: Date.now() });
    const fields = { node, holder: holder.machineId, address: holder.addresses.rtmp, pid: holder.pid };
    logger.error(
      fields,
      'the name of this node is held by another machine or process: give this one its own node.name',
    );
    // who has held it serves on, out of the directory: whoever took it meanwhile is the one to be renamed or stopped
    if (!this.#hasHeldName) onRefused?.(holder);
  }

  #heardRival(rival: RivalRecord): void {
    this.#rival = { ...rival, atMs: Date.now() };
    this.#options.logger.warn({ rival }, 'another machine asked for the name of this node and was refused');
    this.#heartbeat?.beat();
  }

  #elected(elected: boolean, cause: ElectionCause): void {
    this.#heartbeat?.beat();
    this.#options.onEvent({
      kind: 'cluster',
      event: elected ? 'elected' : 'relieved',
      node: this.#options.node,
      cause,
    });
    this.#options.onChange(undefined);
  }

  /** Every node sees every other come and go; one of them, the first by name, writes it down. */
  #noteNode(record: NodeRecord, cause: NodeCause): void {
    const others = this.directory.nodes().filter(({ node }) => node !== record.node);
    const first = others.reduce((least, { node }) => (least === '' || node < least ? node : least), '');
    if (first !== this.#options.node) return;
    const event = cause === 'heard' ? 'joined' : 'gone';
    this.#options.onEvent({ kind: 'cluster', event, node: record.node, cause });
  }

  #answer(request: ControlRequest): ControlAnswer {
    const { node } = this.#options;
    const presence = this.#presence;
    if (!presence) return { ok: false, node, message: 'It is still starting.' };
    const answer = () => ({ ok: true, node, draining: this.#draining }) as const;
    if (request.command === 'drain') {
      const { deadlineSeconds, actor = '' } = request;
      presence.drain(deadlineSeconds === undefined ? undefined : deadlineSeconds * 1_000, actor);
      return answer();
    }
    if (request.command === 'serve') {
      presence.serve(request.actor ?? '');
      return answer();
    }
    if (request.command === 'streams') return { ...answer(), streams: presence.streams() };
    if (request.command === 'externals') return { ...answer(), externals: presence.externals() };
    return { ok: false, node, message: 'This command is not known to this version of the node.' };
  }
}
