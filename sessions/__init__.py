"""Recorded runs of agents: how they are stored, chosen, imported, exported and measured."""
