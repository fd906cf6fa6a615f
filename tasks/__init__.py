"""The hub: task files, scaffolding and the assembled task."""
