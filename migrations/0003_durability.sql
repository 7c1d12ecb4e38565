-- Points of metrics that are said again, and jobs between two attempts.

-- After a crash a job says its steps since the last checkpoint again, and what was read once
-- stays: the first value counts. Only a run that went back after a divergence and took another
-- course replaces what it had said; `retry` counts those.
ALTER TABLE metric_points ADD COLUMN retry INTEGER NOT NULL DEFAULT 0;
