"""A person's own program: an instance, a class, or a function of the task's configuration and its workspace."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import dspy

from calls.failures import describe_error
from core.own_code import mistake, own_code


def own_program(path: str, config: Any, root: Path) -> dspy.Module:
    """Make the program that ``module:Name`` stands for; the task's ``instruction`` replaces that of its predictor.

    Raises:
        ConfigError: If it cannot be loaded or made, is no ``dspy.Module``, has no predictor, or has several and the
            task has an instruction.
    """
    found = own_code(path, "program", root)
    if isinstance(found, dspy.Module):
        program: Any = found.deepcopy()
    elif callable(found):
        program = _made(found, path, config, root)
    else:
        program = found
    if not isinstance(program, dspy.Module):
        raise mistake("program", f"{path} gave a {type(program).__name__}, not a dspy.Module")
    if not program.named_predictors():
        raise mistake("program", f"{path} has no predictor, so there is no prompt to improve")
    return instructed(program, config.instruction)


def instructed(program: dspy.Module, instruction: str | None) -> dspy.Module:
    """The program with another seed instruction; as it is for None or an empty one.

    Raises:
        ConfigError: If the program has several predictors.
    """
    if not instruction:
        return program
    named = program.named_predictors()
    if len(named) != 1:
        names = ", ".join(name for name, _ in named)
        raise mistake("instruction", f"one text cannot be the instruction of several predictors: {names}")
    predictor: Any = named[0][1]
    predictor.signature = predictor.signature.with_instructions(instruction)
    return program


def _made(found: Any, path: str, config: Any, root: Path) -> Any:
    try:
        if isinstance(found, type):
            return found()
        return found(config, root) if len(inspect.signature(found).parameters) > 1 else found(config)
    except Exception as error:
        said = f"{type(error).__name__}: {describe_error(error)}"
        raise mistake("program", f"{path} cannot be made: {said}") from error
