"""A process that has loaded what the commands need and forks for each of them.

What runs is a process like any other, with streams, an environment and an exit of its own; only its start-up, three
quarters of a short command, is paid once. Tests of what a command loads, and of signals, start theirs by hand.

It reads one JSON object {argv, cwd, env, out, err} per line and answers with the exit code on a line.
"""

import gc
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
LOADED = ("reports", "optimizers", "experiments", "tasks", "gates", "programs", "metrics", "calls", "data", "core")


def load() -> None:
    """Import the command line and all that it may need but MLflow, which has a process of its own."""
    importlib.import_module("cli")
    for name in LOADED:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)
    assert not {"mlflow", "litellm"} & set(sys.modules)
    gc.freeze()


def become(request: dict) -> None:
    """Take the streams, the environment and the words of the command; this process is it from here on."""
    for number, (name, how) in enumerate(
        ((os.devnull, os.O_RDONLY), (request["out"], os.O_WRONLY), (request["err"], os.O_WRONLY))
    ):
        handle = os.open(name, how)
        os.dup2(handle, number)
        os.close(handle)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = request["argv"]


def main() -> None:
    answers = os.dup(1)
    load()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            os.close(answers)
            become(json.loads(line))
            importlib.import_module("cli").main()
            sys.exit()
        _, status = os.waitpid(child, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    sys.path[0] = str(HOME)
    main()
