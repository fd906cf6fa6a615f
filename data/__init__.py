"""The rows: corpora, splits, leaks, and transcripts in the formats they come in."""
