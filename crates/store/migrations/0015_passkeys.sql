-- Passkeys of people. `host` is the name of the host that a passkey is bound to: a browser offers it nowhere else. `body` is
-- the public part, as JSON; it holds no secret.
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential @BYTES NOT NULL UNIQUE,
    host TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    made_us BIGINT NOT NULL,
    used_us BIGINT
);
CREATE INDEX passkeys_user ON passkeys (user_id);

-- Questions to authenticators that wait for their answer: each counts once, for a few minutes, on any node. `user_id` is the
-- person who makes a passkey; nobody for a login.
CREATE TABLE passkey_questions (
    id TEXT PRIMARY KEY,
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    host TEXT NOT NULL,
    body TEXT NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE INDEX passkey_questions_expires ON passkey_questions (expires_us);
