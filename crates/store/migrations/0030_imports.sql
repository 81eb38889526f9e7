-- Files that were read, for a week: what they hold is sealed in parts, the first of which is the report.
CREATE TABLE imports (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    collection_id TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    format TEXT NOT NULL,
    found BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    done_us BIGINT,
    undone_us BIGINT
) @WITHOUT_ROWID;
CREATE INDEX imports_by_user ON imports (user_id, created_us);
CREATE TABLE import_parts (
    import_id TEXT NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    part BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL,
    PRIMARY KEY (import_id, part)
);
-- The records that an import made, with the revision at which it left them. Undoing it trashes those that are still there.
CREATE TABLE import_records (
    import_id TEXT NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    record_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (import_id, record_id)
) @WITHOUT_ROWID;
-- Which record came from which item of another program, as a keyed digest of its id there.
CREATE TABLE import_sources (
    collection_id TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    source @BYTES NOT NULL,
    record_id TEXT NOT NULL,
    PRIMARY KEY (collection_id, source)
) @WITHOUT_ROWID;
