-- How many runs in a row Vault refused at the login. A run whose login succeeds, a successful test, a new
-- SecretID and an edit of the login set it back to 0.
ALTER TABLE connections ADD COLUMN logins_refused BIGINT NOT NULL DEFAULT 0;
