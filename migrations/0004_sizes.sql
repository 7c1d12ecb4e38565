-- Sizes that are added up for every scrape of metrics and every upload, without a walk over rows
-- with long texts. The first stands in for datasets_by_file, too.

DROP INDEX datasets_by_file;
CREATE INDEX datasets_by_file ON datasets (file_sha256, file_bytes);
CREATE INDEX models_by_size ON models (bytes);
