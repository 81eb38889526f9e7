-- Where the audit log is pushed to. `delivered_seq` is the last entry that was taken (or did not
-- match); `batch_end` the last one of the message on its way, so that it is sent again as it was.
-- `shipment` counts how often a person moved the cursor: part of a message's id, and the guard of
-- whatever a delivery records. `old_…` is the secret before, which signs along until `old_until_us`.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    actions TEXT,
    delivered_seq BIGINT NOT NULL,
    batch_end BIGINT,
    shipment BIGINT NOT NULL,
    paused BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    next_attempt_us BIGINT NOT NULL,
    last_error TEXT,
    last_delivered_us BIGINT,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL,
    old_key_id TEXT,
    old_wrapped_key @BYTES,
    old_ciphertext @BYTES,
    old_until_us BIGINT,
    revision BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL
);
