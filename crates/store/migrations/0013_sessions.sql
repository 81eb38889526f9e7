-- Logins of people in a browser, apart from API tokens. `device` is the browser and the system in words. `seen_us` is
-- written at most once a minute. A session ends half an hour after it was last seen, and in any case at `ends_us`.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest @BYTES NOT NULL UNIQUE,
    device TEXT NOT NULL,
    source_ip TEXT,
    began_us BIGINT NOT NULL,
    seen_us BIGINT NOT NULL,
    ends_us BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

-- The list over all collections is sorted by path.
CREATE INDEX records_by_path ON records (path, id) WHERE deleted_us IS NULL;
