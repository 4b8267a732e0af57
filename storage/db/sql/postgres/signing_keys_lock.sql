-- Only one transaction at a time adds signing keys; readers go on.
LOCK TABLE signing_keys IN EXCLUSIVE MODE
