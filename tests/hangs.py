"""A guard for tests that feed anything to a reader: what hangs ends with the place where it does."""

import contextlib
import faulthandler
import signal
from collections.abc import Iterator
from pathlib import Path

BUSY = 60.0
"""Seconds of processor time after which whatever runs is busy for ever; other processes do not count."""
WAITING = 300.0
"""Seconds after which it waits for ever, however busy the machine is."""


class HangError(AssertionError):
    """It does not end."""


def _busy(number: int, frame: object) -> None:
    raise HangError(f"still busy after {BUSY:.0f} s of processor time")


@contextlib.contextmanager
def ending(folder: Path) -> Iterator[None]:
    """Fail what is busy for ever, with the input that made it so; end the process where it waits, with a dump.

    Python code and regular expressions can be interrupted; what cannot be is dumped into ``folder/hang.txt``.
    """
    before = signal.signal(signal.SIGPROF, _busy)
    with (folder / "hang.txt").open("w", encoding="utf-8") as dump:
        faulthandler.dump_traceback_later(WAITING, exit=True, file=dump)
        signal.setitimer(signal.ITIMER_PROF, BUSY)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGPROF, before)
