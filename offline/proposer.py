"""The proposer: answers every prompt of MIPROv2's grounded proposer by carrying counted rules from step to step."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from offline.learning import learn
from offline.reflector import cases_from_examples
from offline.rules import Knowledge, join, parse

ROLES = {
    "observations": "examples",
    "summary": "observations",
    "program_description": "program_code",
    "module_description": "module",
    "proposed_instruction": "basic_instruction",
}
"""Output field of each proposer prompt, and an input field that it always has."""
KEEPS = (6, 12, 24, 48)


def propose(role: str, given: Mapping[str, str], *, pairs: bool) -> str:
    """The text for one proposer prompt, recognised by its output field."""
    if role == "observations":
        knowledge = Knowledge()
        learn(knowledge, cases_from_examples(given.get("examples", "")), pairs=pairs)
        return join("", knowledge, 200).strip() or "COMPLETE"
    if role == "summary":
        _, knowledge = parse(given.get("observations", ""))
        return join("The rows can be told apart by counted signs.", knowledge, 60)
    if role == "program_description":
        return "The program answers one row with a language model."
    if role == "module_description":
        return "The module reads the inputs and writes the outputs."
    return _instruction(given)


def _instruction(given: Mapping[str, str]) -> str:
    """The basic instruction with rules; how many signs are kept varies with what else was shown."""
    human, own = parse(given.get("basic_instruction", ""))
    _, shown = parse(given.get("dataset_description", ""))
    variety = zlib.crc32(f"{given.get('tip', '')}\0{given.get('task_demos', '')}".encode())
    return join(human, shown if shown.seen else own, KEEPS[variety % len(KEEPS)])
