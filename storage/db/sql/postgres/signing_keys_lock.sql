-- Serialize transactions that add signing keys; readers are not blocked.
LOCK TABLE signing_keys IN EXCLUSIVE MODE
