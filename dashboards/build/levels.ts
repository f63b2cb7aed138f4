/**
 * Which rollup level a panel reads: the coarsest that still fits the panel's resolution and is still kept at the age of the
 * range, so that an hour is read from samples of 5 s, a week from minutes and a year from days (M4, M7).
 */

const DAY = 86_400;

/** Seconds a level is kept (TTL of the migrations), with a margin, by its step in seconds. */
const KEPT: readonly [step: number, seconds: number][] = [
  [5, 6.9 * DAY],
  [60, 29 * DAY],
  [300, 89 * DAY],
  [600, 179 * DAY],
  [3_600, 729 * DAY],
  [DAY, 3_649 * DAY],
];

/**
 * `WITH` expressions: `step` (seconds of a row of the level), `bucket` (seconds of a point, a multiple of step),
 * `range_from` (start of the first whole bucket) and `range_to`. All are constants: other levels are not read.
 */
export function levelExpressions(): string {
  const kept = KEPT.map(([step, seconds]) => `age < ${Math.round(seconds)}, ${step}`).join(', ');
  return `greatest($__interval_s, 5) AS wanted,
  multiIf(wanted % 86400 = 0, 86400, wanted % 3600 = 0, 3600, wanted % 600 = 0, 600, wanted % 300 = 0, 300, wanted % 60 = 0, 60, 5) AS fitting,
  dateDiff('second', $__fromTime, now()) AS age,
  greatest(fitting, multiIf(${kept}, 604800)) AS step,
  toUInt32(step * ceil(wanted / step)) AS bucket,
  toStartOfInterval(toDateTime($__fromTime, 'UTC'), toIntervalSecond(bucket)) AS range_from,
  toDateTime($__toTime, 'UTC') AS range_to`;
}

/** Start of the bucket of a time column. */
export function bucketOf(column = 'time'): string {
  return `toStartOfInterval(${column}, toIntervalSecond(bucket))`;
}

/** Rows of the range; a last bucket of a minute or less is left out until it is full, else its figure would dip. */
export function inRange(column = 'time'): string {
  return `${column} >= range_from AND ${column} < range_to AND (bucket > 60 OR ${bucketOf(column)} + bucket <= range_to)`;
}

/**
 * Seconds of a bucket that its rows cover, what a sum is divided by to make a rate: a last bucket ends with the last row that
 * begins in the range, which is whole unless it is the present one.
 */
export const BUCKET_SECONDS =
  "greatest(5, least(bucket, toInt64(step * intDiv(dateDiff('second', bucket_start, range_to) + step - 1, step)), dateDiff('second', bucket_start, now())))";
