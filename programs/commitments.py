"""Dropped commitments: who promised what in a session, and what became of it."""

from __future__ import annotations

from typing import Literal

import dspy
import pydantic

CommitmentStatus = Literal["kept", "dropped", "open"]


class Commitment(pydantic.BaseModel):
    """One promise. ``evidence`` is quoted from the transcript."""

    promise: str
    by: str
    status: CommitmentStatus
    evidence: str


class TraceCommitments(dspy.Signature):
    """Find every commitment made in this transcript and say what became of it by the end of the session.

    A commitment is a statement by which someone binds themselves, or accepts being asked, to do a particular thing.
    Plans without an owner, possibilities and polite phrases are not commitments.
    - kept: the transcript shows that it was done.
    - dropped: it was overtaken, forgotten, contradicted or silently left while the session went on without it.
    - open: it is meant for after the session and nothing says that it was given up.

    "by" is "user", "assistant", or the person's name. Quote as evidence the exact words of the transcript in which the
    promise was made or broken, short and unchanged. Look hardest for dropped ones: they are what nobody else will find.
    """

    transcript: str = dspy.InputField(desc="a working session, turn by turn")
    commitments: list[Commitment] = dspy.OutputField(desc="every commitment, in the order of the transcript")


class DroppedCommitments(dspy.Module):
    """One call: transcript in, commitments with their status out."""

    def __init__(self) -> None:
        super().__init__()
        self.trace = dspy.Predict(TraceCommitments)

    def forward(self, transcript: str) -> dspy.Prediction:
        """Trace the commitments of one transcript."""
        return self.trace(transcript=transcript)
