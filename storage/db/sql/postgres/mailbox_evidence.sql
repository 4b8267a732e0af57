-- What the evidence of a mailbox is computed from: the owner's address, the number of messages, and whether threads were
-- mended or judgements corrected (the index label_events_beside).
-- :user_id
SELECT m.email, m.messages,
    EXISTS (
        SELECT FROM label_events AS e
        WHERE e.user_id = :user_id
            AND (starts_with(e.label_id, '\Judgement:') OR starts_with(e.label_id, '\Thread:'))
    ) AS has_events_beside
FROM mailboxes AS m
WHERE m.user_id = :user_id
