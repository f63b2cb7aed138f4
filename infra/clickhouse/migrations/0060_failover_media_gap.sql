-- gap_ms is wall-clock time; what is missing of the stream itself is media time, and often nothing at all: a node that
-- changes its source goes on right after the last message it had. NULL: two publishers, whose timestamps have nothing in
-- common, or a row of before this column.
ALTER TABLE ${database}.failovers ${on_cluster} ADD COLUMN IF NOT EXISTS media_gap_ms Nullable(UInt32) COMMENT 'Media time missing, ms; 0 = nothing, NULL = not known';

ALTER TABLE ${database}.failovers ${on_cluster} COMMENT COLUMN IF EXISTS gap_ms 'Wall-clock time, ms, between the last message viewers were given of the old upstream and the first of the new one';
