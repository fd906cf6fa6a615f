"""One function per command: it calls a front door and hands the outcome to ``finish``."""
