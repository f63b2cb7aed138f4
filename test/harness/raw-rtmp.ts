/** An RTMP client that says exactly what a test tells it, and notes every message the server answers. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type AmfObject, type AmfValue, asAmfObject, decodeAmf, encodeAmf } from '@weir/edge/rtmp/amf0';
import { ChunkReader } from '@weir/edge/rtmp/chunk-reader';
import { writeChunks } from '@weir/edge/rtmp/chunk-writer';
import { type RtmpMessage, TYPE } from '@weir/edge/rtmp/message';
import { waitFor } from './wait.ts';

const HELLO_BYTES = 1_537;
const PACKET_BYTES = 1_536;
/** Of what it sends, as every RTMP connection begins. */
const CHUNK = 128;
const MAX_MESSAGE_BYTES = 16_777_215;

/** See the head of the file. */
export class RawRtmp {
  readonly socket: Socket;
  /** Whatever came, in order, without what the chunk reader obeys itself. */
  readonly messages: RtmpMessage[] = [];
  readonly #reader = new ChunkReader(MAX_MESSAGE_BYTES, (message) => this.messages.push(message));
  #handshake = Buffer.alloc(0);

  /** Connects and shakes hands the simple way. */
  static async open(address: string): Promise<RawRtmp> {
    const [host = '', port = ''] = address.split(':');
    const raw = new RawRtmp(connect(Number(port), host));
    await once(raw.socket, 'connect');
    raw.socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(PACKET_BYTES)]));
    await waitFor('S0, S1 and S2', () => raw.#handshake.length >= HELLO_BYTES + PACKET_BYTES);
    raw.socket.write(raw.#handshake.subarray(1, HELLO_BYTES));
    return raw;
  }

  /** The same, connected to an app. */
  static async connected(address: string, app: string): Promise<RawRtmp> {
    const raw = await RawRtmp.open(address);
    raw.command(0, 'connect', 1, { app, tcUrl: `rtmp://${address}/${app}` });
    await raw.result(1);
    return raw;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      const missing = Math.max(0, HELLO_BYTES + PACKET_BYTES - this.#handshake.length);
      this.#handshake = missing > 0 ? Buffer.concat([this.#handshake, data.subarray(0, missing)]) : this.#handshake;
      if (data.length > missing) this.#reader.push(data.subarray(missing));
    });
  }

  send(type: number, streamId: number, timestamp: number, payload: Buffer): void {
    this.socket.write(writeChunks(type, streamId, timestamp, payload, CHUNK));
  }

  command(streamId: number, ...values: AmfValue[]): void {
    this.send(TYPE.command, streamId, 0, encodeAmf(...values));
  }

  /** The commands that came, decoded. */
  get commands(): { streamId: number; values: AmfValue[] }[] {
    const commands = this.messages.filter(({ type }) => type === TYPE.command);
    return commands.map(({ streamId, payload }) => ({ streamId, values: decodeAmf(payload) }));
  }

  /** Waits for the `_result` or `_error` of a transaction. */
  result(transaction: number): Promise<{ name: AmfValue; info: AmfValue }> {
    return waitFor(`the answer to ${transaction}`, () => {
      const answer = this.commands.find(
        ({ values: [name, number] }) => (name === '_result' || name === '_error') && number === transaction,
      );
      return answer && { name: answer.values[0], info: answer.values[3] };
    });
  }

  /** Waits for an `onStatus` with this code. */
  status(code: string): Promise<{ streamId: number; info: AmfObject }> {
    return waitFor(code, () => {
      for (const { streamId, values } of this.commands) {
        const info = asAmfObject(values[3]);
        if (values[0] === 'onStatus' && info?.code === code) return { streamId, info };
      }
      return undefined;
    });
  }

  /** Waits for so many media messages of `type`, decoder headers included. */
  media(type: number, count: number): Promise<RtmpMessage[]> {
    return waitFor(`${count} messages of type ${type}`, () => {
      const media = this.messages.filter((message) => message.type === type);
      return media.length >= count && media;
    });
  }

  close(): void {
    this.socket.destroy();
  }
}
