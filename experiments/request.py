"""What a person asks of a sequential experiment."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.config import ExperimentConfig
from experiments.replay import Recorded


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes:
        control: The control arm.
        test: The test arm; its design section says what is tested.
        method: A name of ``METHODS``.
        replay: The two recorded arms, where nothing is to be run.
        source: Names what is replayed.
        threads: Pairs at a time.
    """

    control: ExperimentConfig
    test: ExperimentConfig
    method: str
    replay: tuple[Recorded, Recorded] | None = None
    source: str = ""
    threads: int = 4
