-- Who owns what, and who changed what.
--
-- An owner is the name that a token acts for: a new token for the same owner finds what the
-- old one made. Objects of a server that asks for no token, and those of earlier versions,
-- belong to "local".

ALTER TABLE tokens ADD COLUMN owner TEXT NOT NULL DEFAULT '';
UPDATE tokens SET owner = id;

ALTER TABLE datasets ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
CREATE INDEX datasets_by_owner ON datasets (owner, id);

ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
CREATE INDEX jobs_by_owner ON jobs (owner, id);
CREATE INDEX jobs_by_owner_and_status ON jobs (owner, status, id);

ALTER TABLE job_metadata ADD COLUMN owner TEXT NOT NULL DEFAULT 'local'; -- the job's
CREATE INDEX job_metadata_by_owner ON job_metadata (owner, key, value, job);

-- The owner of a model's job. It stands behind long texts: lists find it by the index or
-- in the job.
ALTER TABLE models ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
CREATE INDEX models_by_owner ON models (owner, id);

-- A key is its owner's: two owners may use the same.
CREATE TABLE owned_idempotency_keys (
    owner       TEXT NOT NULL,
    key         TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    job         TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    created_us  INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

INSERT INTO owned_idempotency_keys (owner, key, body_sha256, job, created_us)
SELECT 'local', key, body_sha256, job, created_us FROM idempotency_keys;
DROP TABLE idempotency_keys;
ALTER TABLE owned_idempotency_keys RENAME TO idempotency_keys;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_us);
CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job);

-- What was changed, by whom; the oldest rows go when there are too many. A row is written
-- in the transaction of the change and never touched again.
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    owner   TEXT NOT NULL,
    token   TEXT,          -- NULL: none was asked for
    address TEXT NOT NULL, -- of the client
    request TEXT NOT NULL, -- X-Request-Id
    action  TEXT NOT NULL, -- "POST /v1/jobs"
    object  TEXT NOT NULL, -- its identifier
    status  INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_is_final BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'audit rows are final');
END;
