-- Minutes are asked for by series (the 50 most watched streams of 1,000), a few stretches of 8,192 rows out of hundreds: in
-- blocks of 256 KiB four of them had to be unpacked for one. 64 KiB is one stretch of a column of eight bytes.
-- Coarser levels are read whole, theirs stay. Parts that are there are rewritten when they are merged.
ALTER TABLE ${database}.metric_1m ${on_cluster} MODIFY SETTING min_compress_block_size = 65536;
