-- How people prove who they are, and what lets them in.

-- The secret of a person's one-time codes. The row with `is_active` 1 is asked for at a login; the one with 0 was shown
-- and waits for its first right code. `used_step` is the newest time step whose code was accepted, so that no code counts
-- twice.
CREATE TABLE otp_seeds (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    is_active BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    used_step BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_key @BYTES NOT NULL,
    ciphertext @BYTES NOT NULL,
    PRIMARY KEY (user_id, is_active)
);

-- Each code has 80 random bits, so a keyed digest is enough. `typed_back` says that the person showed with this code that
-- they kept the list.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest @BYTES NOT NULL,
    made_us BIGINT NOT NULL,
    used_us BIGINT,
    typed_back BIGINT NOT NULL,
    PRIMARY KEY (user_id, digest)
);

-- Browsers on which a person does not have to give the second factor at a login.
CREATE TABLE trusted_devices (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest @BYTES NOT NULL UNIQUE,
    device TEXT NOT NULL,
    source_ip TEXT,
    began_us BIGINT NOT NULL,
    ends_us BIGINT NOT NULL
);
CREATE INDEX trusted_devices_user ON trusted_devices (user_id);

-- `proved_us` is when the person last proved who they are, with the second factor if they have one. A session with
-- `is_half` 1 has seen the right password and still waits for the second factor: it opens nothing.
ALTER TABLE sessions ADD COLUMN method TEXT NOT NULL DEFAULT 'password';
ALTER TABLE sessions ADD COLUMN proved_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN is_half BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN proved_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN source_ip TEXT;

-- Wrong passwords for addresses that nobody has. They lock like those of a person, so that a lock does not tell whether an
-- address is known. The address itself may be a password in the wrong field, so it is kept as a keyed digest.
CREATE TABLE unknown_logins (
    digest @BYTES PRIMARY KEY,
    failures BIGINT NOT NULL,
    locked_until_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL
);
CREATE INDEX unknown_logins_last ON unknown_logins (last_us);

-- Links for one person: an invitation, or a new beginning for somebody who lost the second factor.
CREATE TABLE person_links (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    digest @BYTES NOT NULL UNIQUE,
    made_by TEXT NOT NULL,
    made_us BIGINT NOT NULL,
    opened_us BIGINT,
    used_us BIGINT,
    expires_us BIGINT NOT NULL
);
CREATE INDEX person_links_user ON person_links (user_id);
