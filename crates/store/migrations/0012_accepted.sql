-- A difference between the two sides that a person accepted: the record's revision that stays different,
-- the one that keeps what the secret held, whether both sides were in step before (on `revision`), in
-- which mode it was accepted, whether a person asked since to decide again, by whom, and when. NULL: no
-- difference is accepted.
ALTER TABLE base ADD COLUMN accepted_local BIGINT;
ALTER TABLE base ADD COLUMN accepted_remote BIGINT;
ALTER TABLE base ADD COLUMN accepted_agreed BIGINT;
ALTER TABLE base ADD COLUMN accepted_mode TEXT;
ALTER TABLE base ADD COLUMN accepted_reopened BIGINT;
ALTER TABLE base ADD COLUMN accepted_by TEXT;
ALTER TABLE base ADD COLUMN accepted_at BIGINT;

-- Until now the base of such a difference looked like one of equal sides. Only a pull accepted any, and only
-- that left two revisions in one transaction there: the secret's value (`archive`), and the record's own on top
-- of it (`merge`). What both sides agreed on before was not kept.
UPDATE base SET
    accepted_local = revision,
    accepted_remote = revision - 1,
    accepted_agreed = 0,
    accepted_mode = 'pull',
    accepted_reopened = 0,
    accepted_by = (SELECT v.actor FROM revisions v WHERE v.record_id = base.record_id AND v.revision = base.revision),
    accepted_at = (SELECT v.created_us * 1000 FROM revisions v
                   WHERE v.record_id = base.record_id AND v.revision = base.revision),
    revision = revision - 1
WHERE link = 'linked'
  AND connection_id IN (SELECT c.id FROM connections c WHERE c.options LIKE '%"mode":"pull"%')
  AND EXISTS (SELECT 1 FROM revisions v
              WHERE v.record_id = base.record_id AND v.revision = base.revision
                AND v.origin = 'merge' AND v.connection_id = base.connection_id)
  AND EXISTS (SELECT 1 FROM revisions v
              WHERE v.record_id = base.record_id AND v.revision = base.revision - 1
                AND v.origin = 'archive' AND v.connection_id = base.connection_id);
