"""Recorded runs of agents: bring them in, look at them, take them out."""
