-- The revision of each record on which its path and a connection agreed last, 0 if on none. The base says the same, but a
-- list of the records that differ, among a hundred thousand that do not, needs an index of them.
ALTER TABLE records ADD COLUMN agreed_revision BIGINT NOT NULL DEFAULT 0;
UPDATE records SET agreed_revision = COALESCE((SELECT MAX(b.revision) FROM base b WHERE b.record_id = records.id
    AND b.path = records.path AND b.link = 'linked'), 0);
CREATE INDEX records_standing ON records (collection_id, (CASE WHEN agreed_revision = revision THEN 1 ELSE 0 END), path, id)
    WHERE deleted_us IS NULL;
-- Differences that a person accepted are few beside the paths on which both sides agree.
CREATE INDEX base_accepted ON base (connection_id, path) WHERE accepted_reopened = 0;
-- Lists over all collections walk the index of each collection.
DROP INDEX records_by_path;
