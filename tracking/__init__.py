"""The record of runs, their provenance, and MLflow as its projection."""
