-- Points of metrics that are said again, and jobs between two attempts.

-- After a crash a job says its steps since the last checkpoint again, and what was read once
-- stays: the first value counts. Only a run that went back after a divergence and took another
-- course replaces what it had said; `retry` counts those.
ALTER TABLE metric_points ADD COLUMN retry INTEGER NOT NULL DEFAULT 0;

-- A queued job may have to wait before its next attempt, and a stop that was asked for is not
-- forgotten when the worker or the daemon goes down before it is done. `crashes` counts ends of
-- the daemon itself while the job ran, since its last checkpoint: such jobs run one at a time.
ALTER TABLE jobs ADD COLUMN next_attempt_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN stop_requested INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;

CREATE INDEX jobs_waiting ON jobs (next_attempt_us)
WHERE status = 'queued' AND next_attempt_us > 0;
