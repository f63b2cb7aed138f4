/** What every source of figures hands to the instruments: a name of the catalogue, an increase or a value, attributes. */
import type { MetricName } from '@weir/contracts/metrics';

/** Attribute values by name; with the metric's name they are the identity of a series. */
export type SeriesAttributes = Record<string, string>;

/**
 * Takes one figure: of a counter what was added since the last sample (never negative), of a gauge the value now, of a
 * histogram one observation.
 */
export type Measure = (name: MetricName, value: number, attributes?: SeriesAttributes) => void;

/** When a sample is taken. */
export interface SampleMoment {
  /** Unix time, ms, that the sample will carry. */
  stampMs: number;
  /** Time since the sample before, from a clock that cannot jump; since start for the first. */
  elapsedMs: number;
}

/** Something that is asked for its figures once a sample. */
export interface MetricSource {
  sample(measure: Measure, moment: SampleMoment): void | Promise<void>;
}
