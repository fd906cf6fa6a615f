"""Condensation: from a raw working transcript to a short narrative that keeps what later stages need."""

from __future__ import annotations

import dspy


class CondenseTranscript(dspy.Signature):
    """Condense a raw working transcript into a short narrative for a reader who was not there.

    Keep, in the order in which they happened: what was asked for and why; the reasoning behind choices, including
    options that were tried or considered and dropped; errors with their cause and what resolved them; every correction
    by the person; names, numbers, settings and file names that matter later; what was promised by whom, and whether it
    was done; where things stood at the end.

    Leave out greetings, tool output that led nowhere, repeated attempts that taught nothing, and wording. Write plain
    past-tense prose in connected sentences, not bullet points, not a turn-by-turn log. Do not judge, do not advise, and
    add nothing that the transcript does not say. Write at most 180 words.
    """

    transcript: str = dspy.InputField(desc="a working session, turn by turn: [user], [assistant], [tool: name]")
    condensation: str = dspy.OutputField(desc="the session retold as a short narrative")


class Condensation(dspy.Module):
    """One call: raw transcript in, condensed transcript out."""

    def __init__(self) -> None:
        super().__init__()
        self.condense = dspy.Predict(CondenseTranscript)

    def forward(self, transcript: str) -> dspy.Prediction:
        """Condense one transcript."""
        return self.condense(transcript=transcript)
