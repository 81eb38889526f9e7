-- Who does a job at the moment: at most one holder for each name. `expires_us` is by the clock of the database, which is the
-- same for all servers on it. The holder renews it while it does the job.
CREATE TABLE job_leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_us BIGINT NOT NULL
);
