/** The one error of the RTMP parsers: what a peer sent cannot be used, and its connection has to end. */
import { WeirError } from '@weir/contracts/errors';

/** Why a peer's bytes were refused; the tail of the error code. */
export type ProtocolFault = 'HANDSHAKE' | 'CHUNK' | 'MESSAGE_SIZE' | 'CHUNK_STREAMS' | 'AMF' | 'COMMAND';

/** Thrown by parsers and caught where the connection is closed and counted; never reaches a person as such. */
export class ProtocolError extends WeirError {
  readonly fault: ProtocolFault;

  constructor(fault: ProtocolFault, message: string) {
    super(`EDGE_RTMP_${fault}`, message);
    this.name = 'ProtocolError';
    this.fault = fault;
  }
}
