-- Point merged segments, and segments merged into them earlier, at the segment that now has their frames.
-- :segment_id, the new one; :part_ids, :base_offsets: arrays of equal length.
UPDATE segments AS s
SET moved_to = :segment_id, base_offset = s.base_offset + part.base_offset
FROM unnest(CAST(:part_ids AS bigint[]), CAST(:base_offsets AS bigint[])) AS part (segment_id, base_offset)
WHERE part.segment_id = s.segment_id OR part.segment_id = s.moved_to
