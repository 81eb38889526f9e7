-- A record that asks again shows its values to a person only after a proof of the last ten minutes.
ALTER TABLE records ADD COLUMN ask_again BIGINT NOT NULL DEFAULT 0;

-- When a person was told, after a login, that somebody else's link set their password; NULL until then. The links that
-- were used before this migration count as told.
ALTER TABLE person_links ADD COLUMN told_us BIGINT;
UPDATE person_links SET told_us = used_us WHERE used_us IS NOT NULL;
