-- The servers on this database. Each writes its row every few seconds, with the time of the database.
CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The newest schema that the server knows.
    schema_known BIGINT NOT NULL,
    started_us BIGINT NOT NULL,
    seen_us BIGINT NOT NULL,
    -- How far the clock of its machine is ahead of the database's, in microseconds.
    ahead_us BIGINT NOT NULL,
    -- The state of the keyring that it works with. NULL while its root key is sealed.
    keyring_generation BIGINT
) @WITHOUT_ROWID;

-- Counts the changes of the keyring, so that every server notices those of another one.
ALTER TABLE instance ADD COLUMN keyring_generation BIGINT NOT NULL DEFAULT 0;
-- A server that knows no newer schema than this one cannot work with this database.
ALTER TABLE instance ADD COLUMN schema_needed BIGINT NOT NULL DEFAULT 0;

-- The server that carries a run out, and the time at which somebody asked to cancel the run.
ALTER TABLE runs ADD COLUMN node_id TEXT;
ALTER TABLE runs ADD COLUMN cancel_asked_us BIGINT;

-- What a run told, for people who watch it through another server. The newest part only, and only for a while.
CREATE TABLE run_events (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    is_progress BIGINT NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) @WITHOUT_ROWID;

-- How often an address may try to log in: the moment at which all of its earlier attempts are worked off.
CREATE TABLE login_addresses (
    address @BYTES NOT NULL PRIMARY KEY,
    clear_us BIGINT NOT NULL
) @WITHOUT_ROWID;
