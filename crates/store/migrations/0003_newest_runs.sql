-- Which of a connection's runs wrote to Vault last. The number is recorded before Vault shows it, so
-- that a database which finds a higher one there knows that it is an older copy.
CREATE TABLE newest_runs (
    connection_id TEXT PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    number BIGINT NOT NULL
);
