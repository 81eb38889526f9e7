-- Who wrote, in words, the version on which both sides agree; NULL where nobody knows.
ALTER TABLE base ADD COLUMN writer TEXT;

-- What the newest run saw in Vault where it is not what both sides agree on. `version` and `version_created` are NULL for a
-- secret that is gone altogether. A run replaces the rows of its connection; a row goes when the base at its path moves.
CREATE TABLE seen_in_vault (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    path @PATH NOT NULL,
    version BIGINT,
    version_created BIGINT,
    is_deleted BIGINT NOT NULL,
    writer TEXT,
    PRIMARY KEY (connection_id, path)
);
