"""Follow-up extraction: what somebody still has to do after a session."""

from __future__ import annotations

import dspy
import pydantic


class FollowUp(pydantic.BaseModel):
    """One thing left to do. ``owner`` is user, assistant or a name; ``due`` is as the transcript puts it."""

    action: str
    owner: str
    due: str | None = None


class ExtractFollowUps(dspy.Signature):
    """List what is still to be done when the session in this transcript ends, and who has to do it.

    A follow-up is a concrete next action that somebody in the session asked for, agreed to or clearly left open, and
    that had not been done by the end. Start each action with a verb and make it understandable without the transcript.
    The owner is "user", "assistant", or the name of the person who is to act. Give a due date only if the transcript
    states one, in its own words. What was finished in the session, general advice and wishes nobody took up are not
    follow-ups. If nothing is left to do, return an empty list.
    """

    transcript: str = dspy.InputField(desc="a working session, turn by turn")
    follow_ups: list[FollowUp] = dspy.OutputField(desc="what is left to do, most important first")


class FollowUps(dspy.Module):
    """One call: transcript in, follow-ups out."""

    def __init__(self) -> None:
        super().__init__()
        self.find = dspy.Predict(ExtractFollowUps)

    def forward(self, transcript: str) -> dspy.Prediction:
        """Find the follow-ups of one transcript."""
        return self.find(transcript=transcript)
