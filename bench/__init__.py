"""Benchmarks: measured against the ideal or a peer in the same run."""
