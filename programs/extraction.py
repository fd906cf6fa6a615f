"""Learning extraction: from a condensed working transcript to the learnings worth keeping."""

from __future__ import annotations

from typing import Literal

import dspy
import pydantic

LearningKind = Literal["decision", "fix", "correction", "preference", "fact"]


class Learning(pydantic.BaseModel):
    """One thing from a session that helps whoever does similar work next time."""

    kind: LearningKind
    statement: str


class ExtractLearnings(dspy.Signature):
    """Read a condensed working transcript and extract the learnings that would help whoever does similar work next.

    A learning is one of five kinds:
    - decision: a choice between real alternatives that was settled, with what was chosen and why.
    - fix: something that failed, together with its cause or what resolved it.
    - correction: the person told the worker that it had understood or done something wrong, and what is right.
    - preference: a standing wish of the person about how work should be done.
    - fact: a property of a tool, system, data set or environment that was found out and stays true.

    Write each statement as one sentence that stays close to the words of the transcript and can be understood without
    it. Do not report routine steps, status, open questions or promises. If nothing was learned, return an empty list.
    Keep the order of the transcript.
    """

    transcript: str = dspy.InputField(desc="the condensed transcript of one working session")
    learnings: list[Learning] = dspy.OutputField(desc="the learnings, in the order of the transcript")


class Extraction(dspy.Module):
    """One call: transcript in, learnings out."""

    def __init__(self) -> None:
        super().__init__()
        self.extract = dspy.Predict(ExtractLearnings)

    def forward(self, transcript: str) -> dspy.Prediction:
        """Extract the learnings of one transcript."""
        return self.extract(transcript=transcript)
