-- Whether the mailbox of an address is in the backup. No row: unknown address. :email: lower case.
SELECT removed_at IS NULL AS active FROM users WHERE email = :email
