-- `only` is a reserved word of PostgreSQL.
ALTER TABLE instance RENAME COLUMN only TO single;
ALTER TABLE setup_link RENAME COLUMN only TO single;
ALTER TABLE audit_head RENAME COLUMN only TO single;
ALTER TABLE audit_start RENAME COLUMN only TO single;
