/**
 * The content type of a Faro message in JetStream: it says how the payload is packed and where it came from, so that the
 * payload itself stays as the browser sent it. Before it: the receiver; after it: the decoder.
 */

/** What stands in the content type besides `application/json`. */
export interface FaroMessageType {
  /** The payload is compressed. */
  gzip: boolean;
  /** Network the sender is in (`203.0.113.0/24`), empty when unknown. */
  subnet: string;
  /** Name of the key it was sent with, empty without keys. */
  key: string;
}

/** `application/json; coding=gzip; subnet=203.0.113.0/24; key=page`. */
export function formatFaroType({ gzip, subnet, key }: FaroMessageType): string {
  const parts = ['application/json', gzip ? 'coding=gzip' : '', subnet && `subnet=${subnet}`, key && `key=${key}`];
  return parts.filter((part) => part !== '').join('; ');
}

/** What {@link formatFaroType} wrote; parameters it does not know are left alone. */
export function parseFaroType(text: string): FaroMessageType {
  const found = new Map<string, string>();
  for (const part of text.split(';').slice(1)) {
    const at = part.indexOf('=');
    if (at > 0) found.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
  }
  return { gzip: found.get('coding') === 'gzip', subnet: found.get('subnet') ?? '', key: found.get('key') ?? '' };
}
