"""The layouts that logs of sessions come in, and how any other is described."""
