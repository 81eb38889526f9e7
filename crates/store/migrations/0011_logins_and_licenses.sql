-- How many runs in a row Vault refused at the login. A run whose login succeeds, a successful test, a new
-- SecretID and an edit of the login set it back to 0.
ALTER TABLE connections ADD COLUMN logins_refused BIGINT NOT NULL DEFAULT 0;

-- Every license that was accepted; they stand side by side. `body` is the signed text. It is empty for a license whose
-- file was taken away: its row stays, so that the same license can be installed again. `begun` says that its first day
-- has come: only from then on does its counter forbid older licenses. `end_told` says that its end is in the audit log.
CREATE TABLE licenses (
    license_id TEXT PRIMARY KEY,
    counter BIGINT NOT NULL,
    body TEXT,
    by_file BIGINT NOT NULL,
    begun BIGINT NOT NULL,
    end_told BIGINT NOT NULL,
    installed_us BIGINT NOT NULL
);

-- The license of an older version lies in its file: the server reads it from there again.
INSERT INTO licenses (license_id, counter, body, by_file, begun, end_told, installed_us)
    SELECT license_id, counter, NULL, 1, 1, end_told, 0 FROM license;
DROP TABLE license;
