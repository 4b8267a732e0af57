-- Record the mailboxes of a campaign with their sync state at its start.
-- :campaign_id, :user_ids, :synced_before, :listed_before, :messages_before
INSERT INTO campaign_mailboxes (campaign_id, user_id, synced_before, listed_before, messages_before)
SELECT :campaign_id, u.user_id, u.synced_before, u.listed_before, u.messages_before
FROM unnest(
    CAST(:user_ids AS bigint[]), CAST(:synced_before AS timestamptz[]), CAST(:listed_before AS timestamptz[]),
    CAST(:messages_before AS bigint[])
) AS u (user_id, synced_before, listed_before, messages_before)
