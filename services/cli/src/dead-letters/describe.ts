/** What is in a payload, as far as it can be read, for a person who wants to know why it was put aside. */
import { type AttributeValue, attributeText, readAttributes } from '@weir/contracts/otlp/attributes';
import { walkLogs } from '@weir/contracts/otlp/logs';
import { walkMetrics } from '@weir/contracts/otlp/metrics';
import { OtlpError, WireReader } from '@weir/contracts/otlp/wire';
import { RESOURCE } from '@weir/contracts/resource';
import type { WholeLetter } from './letters.ts';

const MAX_LINES = 40;
const MAX_TEXT = 2_000;
const DUMP_BYTES = 256;

/** Lines of text: resource and metrics or records of OTLP, JSON of a browser; then the first bytes when it is broken. */
export function describePayload(letter: WholeLetter): string[] {
  if (letter.contentType.startsWith('application/json')) {
    return [Buffer.from(letter.payload).toString('utf8').slice(0, MAX_TEXT)];
  }
  const lines: string[] = [];
  let left = 0;
  const say = (line: string) => {
    if (lines.length < MAX_LINES) lines.push(line);
    else left++;
  };
  const resource = (bytes: Buffer) => {
    const reader = new WireReader(bytes);
    const attributes = readAttributes(reader, reader.length, 1);
    const show = (name: string) => `${name}=${JSON.stringify(attributeText(attributes.get(name)))}`;
    say(`resource ${show(RESOURCE.node)} ${show(RESOURCE.machineId)} ${show(RESOURCE.serviceName)}`);
    return true;
  };
  try {
    if (letter.signal.endsWith('logs')) {
      const record = (log: { eventName: string; severityText: string; body: AttributeValue }) =>
        say(`  record ${log.eventName} ${log.severityText} ${JSON.stringify(attributeText(log.body)).slice(0, 200)}`);
      walkLogs(letter.payload, { resource, record });
    } else {
      walkMetrics(letter.payload, {
        resource,
        metric(head) {
          say(`  ${head.kind} ${JSON.stringify(head.name.slice(0, 200))} (${head.points} points)`);
          return false;
        },
        number() {},
        histogram() {},
      });
    }
  } catch (error) {
    if (!(error instanceof OtlpError)) throw error;
    say(error.message);
    say(`first bytes: ${Buffer.from(letter.payload.subarray(0, DUMP_BYTES)).toString('hex')}`);
  }
  if (left > 0) lines.push(`  … and ${left} more`);
  return lines;
}
