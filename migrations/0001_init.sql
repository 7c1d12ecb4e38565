-- The store, version 1. Applied once, inside a transaction; never edited after a release: a
-- change is a new file with the next number, which is also PRAGMA user_version.
--
-- Conventions: `id` is the public, prefixed identifier; `number` is a small integer key for
-- rows that are counted in millions. Times are microseconds since 1970, UTC. JSON is text.
-- A row that is owned goes with its owner (ON DELETE CASCADE); blobs, which are owned by the
-- row that names them, go by trigger. Large texts stand last in a row or in a table of their
-- own, so that lists and frequent updates do not touch their pages.

PRAGMA application_id = 1651536496; -- "bprp"

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('created_at', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));

-- Blobs: bytes in chunks. AUTOINCREMENT: a number is never used again, so that a late writer
-- cannot add to a stranger's blob. A blob is there once its seal is.

CREATE TABLE blobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT
) STRICT;

CREATE TABLE blob_chunks (
    blob   INTEGER NOT NULL REFERENCES blobs (number) ON DELETE CASCADE,
    chunk  INTEGER NOT NULL CHECK (chunk >= 0),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    bytes  BLOB NOT NULL,
    UNIQUE (blob, chunk)
) STRICT;

CREATE TABLE blob_seals (
    blob   INTEGER PRIMARY KEY REFERENCES blobs (number) ON DELETE CASCADE,
    bytes  INTEGER NOT NULL CHECK (bytes >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64)
) STRICT;

-- Datasets: the bytes are files named by file_sha256, which datasets may share.

CREATE TABLE datasets (
    id          TEXT PRIMARY KEY,
    name        TEXT,
    kind        TEXT NOT NULL CHECK (kind IN ('table', 'arrays', 'text')),
    sha256      TEXT NOT NULL CHECK (length(sha256) = 64),
    bytes       INTEGER NOT NULL,
    file_sha256 TEXT NOT NULL CHECK (length(file_sha256) = 64),
    file_bytes  INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    facts       TEXT NOT NULL,
    preview     TEXT
) STRICT;

CREATE INDEX datasets_by_file ON datasets (file_sha256);

-- Jobs. `dataset` is no foreign key: a dataset may be deleted once its jobs have ended, and
-- they still tell what they were trained on.

CREATE TABLE jobs (
    number          INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    status          TEXT NOT NULL CHECK (status IN ('queued', 'running', 'pausing', 'paused',
                        'stopping', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    lease           INTEGER NOT NULL DEFAULT 0,
    metrics_version INTEGER NOT NULL DEFAULT 0,
    name            TEXT,
    dataset         TEXT NOT NULL,
    stop_reason     TEXT,
    priority        INTEGER NOT NULL,
    threads         INTEGER NOT NULL,
    attempt         INTEGER NOT NULL CHECK (attempt >= 0),
    max_attempts    INTEGER NOT NULL,
    model           TEXT,
    weights_sha256  TEXT,
    created_us      INTEGER NOT NULL,
    started_us      INTEGER,
    finished_us     INTEGER,
    progress        TEXT,
    metrics         TEXT,
    error           TEXT,
    metadata        TEXT NOT NULL,
    CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (finished_us IS NOT NULL))
) STRICT;

CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_queue ON jobs (priority DESC, number) WHERE status = 'queued';
CREATE INDEX jobs_unfinished ON jobs (dataset) WHERE finished_us IS NULL;

-- Apart from jobs, whose rows are rewritten with every report of progress.
CREATE TABLE job_specs (
    job  INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    spec TEXT NOT NULL
) STRICT;

-- Each scalar of `metadata`, in list order, for the filter of the list.
CREATE TABLE job_metadata (
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    job   TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (key, value, job)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_metadata_by_job ON job_metadata (job);

-- How many jobs there are of each status, kept by triggers: counting never walks the table.
CREATE TABLE job_counts (
    status TEXT PRIMARY KEY,
    jobs   INTEGER NOT NULL CHECK (jobs >= 0)
) STRICT, WITHOUT ROWID;

INSERT INTO job_counts (status, jobs)
VALUES ('queued', 0), ('running', 0), ('pausing', 0), ('paused', 0), ('stopping', 0),
       ('cancelling', 0), ('succeeded', 0), ('failed', 0), ('cancelled', 0);

CREATE TRIGGER jobs_count_insert AFTER INSERT ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs + 1 WHERE status = NEW.status;
END;

CREATE TRIGGER jobs_count_delete AFTER DELETE ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE status = OLD.status;
END;

CREATE TRIGGER jobs_count_update AFTER UPDATE OF status ON jobs
WHEN OLD.status <> NEW.status BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE status = OLD.status;
    UPDATE job_counts SET jobs = jobs + 1 WHERE status = NEW.status;
END;

-- Queued jobs by priority and block of 512 numbers, so that the position of a job in a long
-- queue is a sum over blocks and a walk through one. Priority and number never change.
CREATE TABLE queue_blocks (
    priority INTEGER NOT NULL,
    block    INTEGER NOT NULL,
    jobs     INTEGER NOT NULL CHECK (jobs >= 0),
    PRIMARY KEY (priority, block)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER jobs_queue_insert AFTER INSERT ON jobs
WHEN NEW.status = 'queued' BEGIN
    INSERT INTO queue_blocks (priority, block, jobs)
    VALUES (NEW.priority, NEW.number / 512, 1)
    ON CONFLICT (priority, block) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER jobs_queue_enter AFTER UPDATE OF status ON jobs
WHEN NEW.status = 'queued' AND OLD.status <> 'queued' BEGIN
    INSERT INTO queue_blocks (priority, block, jobs)
    VALUES (NEW.priority, NEW.number / 512, 1)
    ON CONFLICT (priority, block) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER jobs_queue_leave AFTER UPDATE OF status ON jobs
WHEN OLD.status = 'queued' AND NEW.status <> 'queued' BEGIN
    UPDATE queue_blocks SET jobs = jobs - 1
    WHERE priority = OLD.priority AND block = OLD.number / 512;
    DELETE FROM queue_blocks
    WHERE priority = OLD.priority AND block = OLD.number / 512 AND jobs = 0;
END;

CREATE TRIGGER jobs_queue_delete AFTER DELETE ON jobs
WHEN OLD.status = 'queued' BEGIN
    UPDATE queue_blocks SET jobs = jobs - 1
    WHERE priority = OLD.priority AND block = OLD.number / 512;
    DELETE FROM queue_blocks
    WHERE priority = OLD.priority AND block = OLD.number / 512 AND jobs = 0;
END;

CREATE TABLE idempotency_keys (
    key         TEXT PRIMARY KEY,
    body_sha256 TEXT NOT NULL,
    job         TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    created_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_us);
CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job);

CREATE TABLE events (
    job      INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    time_us  INTEGER NOT NULL,
    type     TEXT NOT NULL,
    message  TEXT NOT NULL,
    data     TEXT NOT NULL,
    PRIMARY KEY (job, sequence)
) STRICT, WITHOUT ROWID;

-- Metrics: the names that points of a job have in common, once; a point is one row with its
-- values as little-endian float64 in the order of the names. metric_points.name_set is no
-- foreign key: both go with the job, and an index for the check would cost more than the row.

CREATE TABLE metric_sets (
    number INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    names  TEXT NOT NULL, -- a line each
    UNIQUE (job, names)
) STRICT;

CREATE TABLE metric_points (
    job          INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    step         INTEGER NOT NULL,
    name_set     INTEGER NOT NULL,
    epoch        REAL NOT NULL,
    time_us      INTEGER NOT NULL,
    value_bytes  BLOB NOT NULL,
    PRIMARY KEY (job, step, name_set)
) STRICT, WITHOUT ROWID;

-- What owns a blob names its seal, so that an unsealed blob cannot be owned.

CREATE TABLE checkpoints (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    job        INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    step       INTEGER NOT NULL,
    epoch      REAL NOT NULL,
    blob       INTEGER NOT NULL UNIQUE REFERENCES blob_seals (blob),
    created_us INTEGER NOT NULL,
    metrics    TEXT
) STRICT;

CREATE INDEX checkpoints_by_job ON checkpoints (job, kind, number);

CREATE TRIGGER checkpoints_delete_blob AFTER DELETE ON checkpoints BEGIN
    DELETE FROM blobs WHERE number = OLD.blob;
END;

CREATE TABLE models (
    id              TEXT PRIMARY KEY,
    job             TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name            TEXT,
    blob            INTEGER NOT NULL UNIQUE REFERENCES blob_seals (blob),
    bytes           INTEGER NOT NULL,
    sha256          TEXT NOT NULL,
    parameter_count INTEGER NOT NULL,
    created_us      INTEGER NOT NULL,
    metrics         TEXT,
    spec            TEXT NOT NULL,
    facts           TEXT NOT NULL,
    preprocessing   TEXT NOT NULL,
    formats         TEXT NOT NULL
) STRICT;

CREATE INDEX models_by_job ON models (job);

CREATE TRIGGER models_delete_blob AFTER DELETE ON models BEGIN
    DELETE FROM blobs WHERE number = OLD.blob;
    UPDATE jobs SET model = NULL WHERE id = OLD.job AND model = OLD.id;
END;

-- Access tokens: the secret itself is never here, only its digest.
CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    name         TEXT,
    scope        INTEGER NOT NULL CHECK (scope BETWEEN 1 AND 3),
    sha256       BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    created_us   INTEGER NOT NULL,
    expires_us   INTEGER NOT NULL, -- 0: never
    last_used_us INTEGER NOT NULL  -- 0: not yet
) STRICT;
