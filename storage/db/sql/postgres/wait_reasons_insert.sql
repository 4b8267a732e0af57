-- Record a reason for which a mailbox (0: the whole shard) waits.
-- :shard_id, :user_id, :kind, :detail, :since and :next_attempt_at (seconds since 1970), :attempts, :epoch
INSERT INTO wait_reasons (shard_id, user_id, kind, detail, since, attempts, next_attempt_at, epoch)
VALUES (:shard_id, :user_id, :kind, :detail, to_timestamp(:since), :attempts,
    to_timestamp(CAST(:next_attempt_at AS double precision)), :epoch)
