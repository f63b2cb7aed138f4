/** Types of the two protocol classes of node-media-server 4.4.3 that `protocol.ts` builds on; the package has none. */

declare module 'node-media-server/src/protocol/rtmp.js' {
  /** RTMP protocol state and encoders; every `send…` hands its bytes to `onOutputCallback` before it returns. */
  // biome-ignore lint/style/noDefaultExport: this is how a CommonJS module looks from here
  export default class Rtmp {
    handshakeState: number;
    handshakeBytes: number;
    onOutputCallback: (buffer: Buffer) => void;
    parserData(buffer: Buffer): string | null;
    sendACK(size: number): void;
    sendWindowACK(size: number): void;
    setPeerBandwidth(size: number, type: number): void;
    setChunkSize(size: number): void;
    sendStreamStatus(event: number, value: number): void;
  }
}

declare module 'node-media-server/src/protocol/flv.js' {
  // biome-ignore lint/style/noDefaultExport: as above
  // biome-ignore lint/complexity/noStaticOnlyClass: theirs
  export default class Flv {
    static createHeader(hasAudio: boolean, hasVideo: boolean): Buffer;
    static createMessage(packet: { codec_type: number; size: number; dts: number; data: Buffer }): Buffer;
  }
}
