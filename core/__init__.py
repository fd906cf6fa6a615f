"""The small ground floor: records that travel, errors, catalogs, files, redaction, the workspace."""
