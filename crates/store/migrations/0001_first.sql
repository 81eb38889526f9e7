-- The first shape of the database.
--
-- Columns are TEXT, BIGINT or @BYTES (BLOB on SQLite). Ids are UUIDs as text; `…_us` are
-- microseconds since the Unix epoch, and moments without a unit nanoseconds, the precision that
-- Vault reports; flags are 0 or 1. @PATH is a text that sorts by its bytes, as the planner does.
-- What is secret, or a digest of it, is sealed, in three columns: key_id, wrapped_key, ciphertext.

CREATE TABLE instance (
    only BIGINT PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
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
    disabled BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    locked_until_us BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL
);

CREATE TABLE setup_link (
    only BIGINT PRIMARY KEY CHECK (only = 1),
    digest @BYTES NOT NULL,
    expires_us BIGINT NOT NULL
);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    digest @BYTES NOT NULL UNIQUE,
    created_us BIGINT NOT NULL,
    expires_us BIGINT,
    last_used_us BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE collections (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
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

-- `updated_by` is the connection whose run made the newest change; nothing for a person.
-- `tags` begins, ends and is separated with newlines, which no tag holds.
CREATE TABLE records (
    id TEXT PRIMARY KEY,
    collection_id TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    path @PATH NOT NULL,
    path_folded TEXT NOT NULL,
    record_type TEXT NOT NULL,
    field_names TEXT NOT NULL,
    tags TEXT NOT NULL,
    inject_only BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    updated_by TEXT,
    deleted_us BIGINT
);
CREATE UNIQUE INDEX records_live ON records (collection_id, path) WHERE deleted_us IS NULL;
CREATE INDEX records_trash ON records (collection_id, path) WHERE deleted_us IS NOT NULL;
CREATE INDEX records_updated ON records (collection_id, updated_us);

CREATE TABLE revisions (
    record_id TEXT NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    path @PATH NOT NULL,
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
    paused BIGINT NOT NULL,
    started BIGINT NOT NULL,
    scope_changed BIGINT NOT NULL,
    identity TEXT,
    last_verified_us BIGINT,
    secret_id_expires_us BIGINT,
    revision BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    credential_kind TEXT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL,
    tls_key_id TEXT,
    tls_wrapped_key @BYTES,
    tls_ciphertext @BYTES
);
CREATE INDEX connections_collection ON connections (collection_id);

-- A row stays when its lease is given back, so that fences only grow.
CREATE TABLE leases (
    connection_id TEXT PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    holder TEXT,
    fence BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

CREATE TABLE base (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    path @PATH NOT NULL,
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
    expires BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL
);
CREATE INDEX plans_connection ON plans (connection_id);
CREATE INDEX plans_expires ON plans (expires);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    plan_id TEXT,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    actor_kind BIGINT NOT NULL,
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
CREATE INDEX runs_running ON runs (state) WHERE state = 'running';

CREATE TABLE conflicts (
    id TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    path @PATH NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL
);
CREATE UNIQUE INDEX conflicts_open ON conflicts (connection_id, path) WHERE status = 'open';
CREATE INDEX conflicts_path ON conflicts (path, id);

-- The paths that the last run found gone where reads may be stale.
CREATE TABLE suspicions (
    connection_id TEXT PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    paths TEXT NOT NULL
);

-- The newest entry of the audit log: locked and moved by whoever appends.
CREATE TABLE audit_head (
    only BIGINT PRIMARY KEY CHECK (only = 1),
    log_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    hash @BYTES NOT NULL
);

-- `bytes` is the entry; the other columns repeat parts of it for searching.
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    time_us BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome BIGINT NOT NULL,
    hash @BYTES NOT NULL,
    bytes @BYTES NOT NULL
);
CREATE INDEX audit_action ON audit (action, seq);
CREATE INDEX audit_actor ON audit (actor_id, seq);
CREATE INDEX audit_time ON audit (time_us);

CREATE TABLE audit_objects (
    object_id TEXT NOT NULL,
    seq BIGINT NOT NULL REFERENCES audit (seq),
    PRIMARY KEY (object_id, seq)
) @WITHOUT_ROWID;

CREATE TABLE idempotency (
    user_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request @BYTES NOT NULL,
    created_us BIGINT NOT NULL,
    status BIGINT,
    key_id TEXT,
    wrapped_key @BYTES,
    ciphertext @BYTES,
    PRIMARY KEY (user_id, idempotency_key)
);
CREATE INDEX idempotency_created ON idempotency (created_us);
