-- What is remembered of licenses: the one that was installed last, the highest counter that was ever
-- seen (an older license cannot come back), and whether its end has been told to the audit log.
CREATE TABLE license (
    only BIGINT PRIMARY KEY CHECK (only = 1),
    license_id TEXT NOT NULL,
    counter BIGINT NOT NULL,
    end_told BIGINT NOT NULL
);
