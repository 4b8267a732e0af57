-- Apply a commit to a mailbox's row; the counts of messages come from its segment.
-- :user_id, :shard_id, :phase, :cursor, :pinned, :estimate, :units, :error, :synced, :listed, :resume, :messages,
-- :size_bytes, :reading_from, :reconciled
UPDATE mailboxes
SET phase = :phase, resume = :resume, cursor = :cursor, pinned = :pinned, estimate = :estimate, units = greatest(units, :units),
    reading_from = :reading_from,
    reconciled_at = CASE WHEN :reconciled THEN now() ELSE reconciled_at END,
    error = :error, messages = messages + :messages, size_bytes = size_bytes + :size_bytes,
    listed_at = CASE WHEN :listed THEN now() ELSE listed_at END,
    synced_at = CASE WHEN :synced THEN now() ELSE synced_at END
WHERE user_id = :user_id AND shard_id = :shard_id
