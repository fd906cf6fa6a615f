"""An agent that reasons by schema: situation, remaining plan, completion and one typed tool call, again and again.

Reference: R. Abdullin, "Schema-Guided Reasoning" (abdullin.com/schema-guided-reasoning, 2025), the adaptive planning
cascade: the next step is a typed record, so that the model has to look at where it is before it acts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import dspy
import pydantic
from pydantic import Field

MOST_STEPS = 16
"""Calls after which a session is ended; its outcome is then ``unfinished``."""


class Tool(pydantic.BaseModel):
    """One tool: a literal field ``tool`` with its name, its arguments as further fields, its docstring for the model.

    ``ends`` says that a call of it is the agent's report, and with it the end of the session.
    """

    model_config = pydantic.ConfigDict(extra="forbid")
    ends: ClassVar[bool] = False

    @property
    def arguments(self) -> dict[str, Any]:
        """Everything but the tool's name."""
        return self.model_dump(mode="json", exclude={"tool"})


class ToolError(Exception):
    """A call that the environment refused; the agent is told the text and may go on."""


class Environment(Protocol):
    """What an agent acts on."""

    def call(self, tool: Any) -> Mapping[str, Any]:
        """Carry out one call and say what came of it.

        Raises:
            ToolError: If it cannot be carried out.
        """
        ...

    def end_state(self) -> dict[str, Any]:
        """What the session has changed, as plain data."""
        ...


class NextStep(pydantic.BaseModel):
    """What the model fills at every step; an agent narrows ``call`` to a union of its tools."""

    situation: str = Field(description="where the task stands, in one sentence")
    remaining_steps: list[str] = Field(description="what is still to be done, in at most five short items")
    task_completed: bool = Field(description="whether this call is the last one")
    call: Any = Field(description="the one call to make now")


class SgrAgent(dspy.Module):
    """Asks for the next step, carries it out and shows what came of it, until the model reports or the steps run out.

    Args:
        signature: Inputs ``request`` and ``steps_so_far``, output ``next_step``, a :class:`NextStep`.
        environment: Makes a fresh environment from the row's further inputs.
        most_steps: Calls after which the session is ended.
    """

    def __init__(
        self,
        signature: type[dspy.Signature],
        environment: Callable[..., Environment],
        most_steps: int = MOST_STEPS,
    ) -> None:
        super().__init__()
        self.step = dspy.Predict(signature)
        self.environment, self.most_steps = environment, most_steps

    def forward(self, request: str, **world: Any) -> dspy.Prediction:
        """Run one session.

        Returns:
            ``outcome`` (done, refused or unfinished), ``message``, ``end_state`` of the environment and ``steps``: a
            list of ``{text, tool, arguments, result}``, with ``error`` in place of ``result`` where a call was
            refused.
        """
        environment, steps = self.environment(**world), list[dict[str, Any]]()
        outcome, message = "unfinished", ""
        while len(steps) < self.most_steps:
            answer = self.step(request=request, steps_so_far=as_text(steps)).next_step
            call: Tool = answer.call
            steps.append({"text": answer.situation, **_carried_out(environment, call)})
            if call.ends:
                outcome, message = call.arguments.get("outcome", "done"), call.arguments.get("message", "")
            elif answer.task_completed:
                outcome = "done"
            if outcome != "unfinished":
                break
        return dspy.Prediction(outcome=outcome, message=message, end_state=environment.end_state(), steps=steps)


def _carried_out(environment: Environment, call: Any) -> dict[str, Any]:
    made = {"tool": call.tool, "arguments": call.arguments}
    if call.ends:
        return {**made, "result": {}}
    try:
        return {**made, "result": dict(environment.call(call))}
    except ToolError as error:
        return {**made, "error": str(error)}


def as_text(steps: Sequence[Mapping[str, Any]]) -> str:
    """A session so far as the model sees it: a numbered line per call, ``tool {arguments} -> result``."""
    lines = []
    for number, step in enumerate(steps, 1):
        came = {"error": step["error"]} if "error" in step else step["result"]
        lines.append(f"{number}. {step['tool']} {_json(step['arguments'])} -> {_json(came)}")
    return "\n".join(lines) or "nothing yet"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
