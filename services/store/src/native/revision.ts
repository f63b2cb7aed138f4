/**
 * Native blocks for clients that name a protocol revision (`client_protocol_version`), as clickhouse-go in Grafana and
 * clickhouse-connect do: from revision 1 on a block has a preamble, from 54454 on each column a flag. The engine writes
 * neither when it writes to a file; this puts them in between.
 */
import { ByteRelay, type ByteSink } from './byte-relay.ts';
import { layoutOf } from './layout.ts';

/** DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION in src/Core/ProtocolDefines.h. */
const REVISION_WITH_CUSTOM_SERIALIZATION = 54_454;

/** BlockInfo: field 1 is_overflows = 0, field 2 bucket_num = -1, end. */
const BLOCK_INFO = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]);
const NO_CUSTOM_SERIALIZATION = Buffer.from([0]);

/**
 * Hands the blocks of `input` (Native as the engine writes it) to `sink` in the form of `revision`.
 * @throws QueryException NOT_IMPLEMENTED for a column type that cannot be walked; TruncatedInput.
 */
export async function writeForRevision(input: AsyncIterable<Buffer>, sink: ByteSink, revision: number): Promise<void> {
  const relay = new ByteRelay(input, sink);
  while (!(await relay.ended())) {
    await relay.insert(BLOCK_INFO);
    const columns = await relay.varUint();
    const rows = await relay.varUint();
    for (let column = 0; column < columns; column++) {
      await relay.pass(await relay.varUint());
      const type = (await relay.bytes(await relay.varUint())).toString('utf8');
      if (revision >= REVISION_WITH_CUSTOM_SERIALIZATION) await relay.insert(NO_CUSTOM_SERIALIZATION);
      if (rows === 0) continue;
      const layout = layoutOf(type);
      await layout.prefix(relay);
      await layout.values(relay, rows);
    }
  }
  await relay.flush();
}
