-- Signed checkpoints of the audit log. `note` is verbatim what was signed, `frontier` the edge of the
-- tree there (32 bytes a subtree, the largest first), from which the next one goes on.
CREATE TABLE audit_checkpoints (
    size BIGINT PRIMARY KEY,
    key_id TEXT NOT NULL,
    note TEXT NOT NULL,
    frontier @BYTES NOT NULL,
    created_us BIGINT NOT NULL
);

-- The public keys of every generation of the audit key. The private ones of retired keys are gone.
CREATE TABLE audit_keys (
    key_id TEXT PRIMARY KEY,
    vkey TEXT NOT NULL,
    created_us BIGINT NOT NULL
);

-- Where the log begins, after its beginning was removed: the tree and the last hash before it.
CREATE TABLE audit_start (
    only BIGINT PRIMARY KEY CHECK (only = 1),
    size BIGINT NOT NULL,
    hash @BYTES NOT NULL,
    frontier @BYTES NOT NULL
);

-- What arrived where, outside the database: the newest checkpoint (its size), and, where entries are
-- sent as well, the last of them. `target` tells one place from another under the same name.
CREATE TABLE audit_anchors (
    name TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    size BIGINT NOT NULL,
    delivered_us BIGINT,
    seq BIGINT NOT NULL
);

-- Removing an entry looks for what points to it.
CREATE INDEX audit_objects_seq ON audit_objects (seq);
