/**
 * Puts messages that can't be used aside, whole and with the reason in their headers, so that a person can look at
 * them and play them again. Before it: the batch and the inserts; after it: the stream `WEIR_DEAD_LETTERS`.
 */
import type { JetStreamClient } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { DEAD_LETTER_STREAM, deadLetterSubject, HEADER } from '@weir/contracts/nats/names';
import type { Fault, TelemetryMessage } from '../decode/batch.ts';

/** Headers hold no line breaks, and a reason is one sentence. */
const MAX_REASON_LENGTH = 500;

/**
 * Publishes the dead letter of `message` and resolves when it is stored. Sent again after a crash, it is recognised
 * within JetStream's window for message ids; later it may stand there twice, which changes no figure.
 * @param id unique for the message and the reason, the same on a repeat.
 */
export async function publishDeadLetter(
  client: JetStreamClient,
  message: TelemetryMessage,
  fault: Fault,
  id: string,
): Promise<void> {
  const fields = headers();
  fields.set(HEADER.reasonCode, fault.code);
  fields.set(HEADER.reason, fault.reason.replace(/\s+/g, ' ').slice(0, MAX_REASON_LENGTH));
  if (message.contentType !== '') fields.set(HEADER.contentType, message.contentType);
  if (message.outbox) {
    fields.set(HEADER.outbox, message.outbox.id);
    fields.set(HEADER.sequence, String(message.outbox.sequence));
  }
  await client.publish(deadLetterSubject(message.subject), message.payload, {
    headers: fields,
    msgID: id,
    expect: { streamName: DEAD_LETTER_STREAM },
  });
}
