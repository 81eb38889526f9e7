-- The first shape of the database. `@BYTES` is BLOB on SQLite (BYTEA on PostgreSQL). Ids are
-- UUIDs as text, times microseconds since the Unix epoch but for what Vault reports (nanoseconds,
-- columns without a unit), flags 0 or 1. What is secret stands in three columns: the key that
-- wraps the data key, the wrapped data key, the ciphertext.

CREATE TABLE instance (
    only BIGINT PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    log_id TEXT NOT NULL,
    created_us BIGINT NOT NULL
);

CREATE TABLE keyring (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    generation BIGINT NOT NULL,
    state TEXT NOT NULL,
    wrapped @BYTES NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT,
    disabled BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    locked_until_us BIGINT NOT NULL DEFAULT 0,
    revision BIGINT NOT NULL DEFAULT 1,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL
);

CREATE TABLE collections (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL DEFAULT 1,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL
);

CREATE TABLE members (
    collection_id TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (collection_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE records (
    id TEXT PRIMARY KEY,
    collection_id TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    record_type TEXT NOT NULL,
    field_names TEXT NOT NULL,
    tags TEXT NOT NULL,
    inject_only BIGINT NOT NULL DEFAULT 0,
    revision BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    deleted_us BIGINT
);
CREATE UNIQUE INDEX records_live_path ON records (collection_id, path) WHERE deleted_us IS NULL;
CREATE INDEX records_trash ON records (collection_id, path, deleted_us) WHERE deleted_us IS NOT NULL;

CREATE TABLE revisions (
    record_id TEXT NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    path TEXT NOT NULL,
    record_type TEXT NOT NULL,
    field_names TEXT NOT NULL,
    origin TEXT NOT NULL,
    connection_id TEXT,
    actor TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL,
    PRIMARY KEY (record_id, revision)
);

CREATE TABLE connections (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    collection_id TEXT NOT NULL REFERENCES collections (id),
    address TEXT NOT NULL,
    namespace TEXT,
    tls TEXT NOT NULL,
    auth_mount TEXT NOT NULL,
    role_id TEXT NOT NULL,
    mount TEXT NOT NULL,
    path TEXT NOT NULL,
    options TEXT NOT NULL,
    schedule TEXT NOT NULL,
    concurrency_max BIGINT NOT NULL,
    paused BIGINT NOT NULL DEFAULT 0,
    started BIGINT NOT NULL DEFAULT 0,
    scope_changed BIGINT NOT NULL DEFAULT 0,
    identity TEXT,
    last_verified_us BIGINT,
    secret_id_expires_us BIGINT,
    suspicions TEXT NOT NULL DEFAULT '[]',
    revision BIGINT NOT NULL DEFAULT 1,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    credential_kind TEXT NOT NULL,
    credential_key_id TEXT NOT NULL,
    credential_wrapped_key @BYTES NOT NULL,
    credential_ciphertext @BYTES NOT NULL,
    client_key_key_id TEXT,
    client_key_wrapped_key @BYTES,
    client_key_ciphertext @BYTES
);
CREATE INDEX connections_collection ON connections (collection_id);

CREATE TABLE leases (
    connection_id TEXT PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    holder TEXT NOT NULL,
    fence BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);

CREATE TABLE base (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    record_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    record_type TEXT NOT NULL,
    key_created BIGINT NOT NULL,
    version BIGINT NOT NULL,
    version_created BIGINT NOT NULL,
    expires BIGINT,
    link TEXT NOT NULL,
    PRIMARY KEY (connection_id, path)
);
CREATE INDEX base_record ON base (record_id);

CREATE TABLE plans (
    id TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL
);
CREATE INDEX plans_connection ON plans (connection_id);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    plan_id TEXT,
    state TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    counts TEXT NOT NULL,
    halts TEXT NOT NULL,
    problems TEXT NOT NULL,
    requests BIGINT NOT NULL,
    started BIGINT NOT NULL,
    finished BIGINT
);
CREATE INDEX runs_connection ON runs (connection_id, id);

CREATE TABLE conflicts (
    id TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL
);
CREATE UNIQUE INDEX conflicts_open ON conflicts (connection_id, path) WHERE status = 'open';

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    time_us BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    hash @BYTES NOT NULL,
    bytes @BYTES NOT NULL
);
CREATE INDEX audit_action ON audit (action, seq);
CREATE INDEX audit_actor ON audit (actor_id, seq);
CREATE INDEX audit_time ON audit (time_us);

CREATE TABLE audit_objects (
    object_id TEXT NOT NULL,
    seq BIGINT NOT NULL REFERENCES audit (seq) ON DELETE CASCADE,
    PRIMARY KEY (object_id, seq)
);
