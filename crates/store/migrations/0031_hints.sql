-- Where somebody says that a secret changed in Vault, until a run has looked there. A hint is never believed further than that.
-- `writer`, `version` and `changed` tell whose change it was, for people. `number` grows with every hint of a connection.
CREATE TABLE hints (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    path @PATH NOT NULL,
    number BIGINT NOT NULL,
    writer TEXT,
    version BIGINT,
    changed BIGINT,
    received_us BIGINT NOT NULL,
    PRIMARY KEY (connection_id, path)
) @WITHOUT_ROWID;
CREATE INDEX hints_by_number ON hints (connection_id, number);
-- What a connection has had of hints: the number of the newest one, the number up to which runs have taken them, and the number
-- of the newest one that asked to look at everything, or 0. Hints wait while `newest` is above `taken`, since `waiting_us`.
CREATE TABLE hint_marks (
    connection_id TEXT NOT NULL PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    newest BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    everything BIGINT NOT NULL,
    waiting_us BIGINT NOT NULL
) @WITHOUT_ROWID;
