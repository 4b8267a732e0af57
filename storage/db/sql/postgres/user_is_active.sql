-- Is the mailbox of an address backed up? No row: unknown address. :email: lower case.
SELECT removed_at IS NULL AS active FROM users WHERE email = :email
