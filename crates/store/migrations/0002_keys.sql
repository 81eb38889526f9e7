-- Which root key the keyring is wrapped under, and what a seal made of root keys: the newest is
-- in use, the ones before it are kept.
ALTER TABLE instance ADD COLUMN root_id TEXT;

CREATE TABLE sealed_roots (
    id TEXT PRIMARY KEY,
    root_id TEXT NOT NULL,
    binding TEXT NOT NULL,
    ciphertext TEXT NOT NULL,
    created_us BIGINT NOT NULL
);

-- A rotation of the record key finds what is left to do by this.
CREATE INDEX revisions_key ON revisions (key_id);
