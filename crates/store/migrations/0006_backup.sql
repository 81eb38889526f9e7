-- How often this installation was restored, counting its beginning: two copies of one database that
-- lived on apart differ in it.
ALTER TABLE instance ADD COLUMN epoch BIGINT NOT NULL DEFAULT 1;

-- Why nothing of a connection is written until a person acknowledged a plan: the database was
-- restored, or found older than its anchor. Nothing: it is not guarded.
ALTER TABLE connections ADD COLUMN guarded TEXT;
