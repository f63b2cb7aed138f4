/**
 * What most tests of ingest begin with: NATS, a migrated store and one copy of ingest that is ready. Before it: nothing;
 * after it: outboxes of nodes that send, and SQL.
 */
import type { PartialConfig } from '@weir/contracts/config/schema';
import { startTestIngest, type TestIngest } from './ingest.ts';
import { type Sender, TestOutbox } from './otlp-sender.ts';
import { startPipeline, type TestPipeline } from './pipeline.ts';
import { eventually } from './wait.ts';

/** The pipeline with one copy of ingest. */
export interface IngestPipeline {
  readonly pipeline: TestPipeline;
  readonly ingest: TestIngest;
  /** An outbox of `node`, in the partition that ingest expects it in. */
  outboxOf: (node: string, more?: Omit<Sender, 'node'>) => TestOutbox;
  close(): Promise<void>;
}

/** As in the default configuration. */
const PARTITIONS = 4;

/** Starts all of it and resolves when ingest can write. Batches wait 20 ms unless `config` says otherwise. */
export async function startIngestPipeline(config: PartialConfig = {}): Promise<IngestPipeline> {
  const pipeline = await startPipeline();
  let ingest: TestIngest | undefined;
  try {
    ingest = await startTestIngest({
      ...pipeline,
      config: { ...config, ingest: { batchMaxDelayMs: 20, ...config.ingest } },
    });
    const copy = ingest;
    await eventually(
      () => copy.ready(),
      ({ status }) => status === 200,
    );
    return {
      pipeline,
      ingest: copy,
      outboxOf: (node, more = {}) => new TestOutbox(pipeline.connection, { node, ...more }, PARTITIONS),
      async close() {
        await copy.close();
        await pipeline.close();
      },
    };
  } catch (error) {
    await ingest?.close();
    await pipeline.close();
    throw error;
  }
}
