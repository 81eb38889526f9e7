-- Which changes a run has seen is told by numbers and not by clocks. `change_number` of a collection grows
-- with every transaction that changes a record, a record has the number of its newest change, and a
-- run or plan that of the moment before it looked. After this migration each connection looks once.
ALTER TABLE collections ADD COLUMN change_number BIGINT NOT NULL DEFAULT 1;
ALTER TABLE records ADD COLUMN change_number BIGINT NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN change_number BIGINT NOT NULL DEFAULT 0;
ALTER TABLE plans ADD COLUMN change_number BIGINT NOT NULL DEFAULT 0;
CREATE INDEX records_changed ON records (collection_id, change_number);

-- From which version on local history holds every version of the secret up to the base's.
ALTER TABLE base ADD COLUMN held_since BIGINT NOT NULL DEFAULT 0;
UPDATE base SET held_since = version;

-- `paths` names for each path the version that both sides agreed on, from now on.
DELETE FROM suspicions;

-- Secrets that can never be taken over under their names, and that somebody accepted to be left out.
CREATE TABLE ignored_paths (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    path @PATH NOT NULL,
    reason TEXT,
    accepted_by TEXT NOT NULL,
    accepted_us BIGINT NOT NULL,
    PRIMARY KEY (connection_id, path)
);
