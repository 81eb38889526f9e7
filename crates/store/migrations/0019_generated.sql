-- The last values that each person had generated, sealed, for a day: a value that was generated and not saved is not lost.
CREATE TABLE generated_values (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_us BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL
);
CREATE INDEX generated_values_user ON generated_values (user_id, created_us);
CREATE INDEX generated_values_created ON generated_values (created_us);
