-- The part of a plan or of the scope that a person chose for a run, as JSON: the paths that were left out, and the
-- only paths that the run was for.
ALTER TABLE runs ADD COLUMN part TEXT NOT NULL DEFAULT '{}';
