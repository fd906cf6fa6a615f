"""A process that has loaded what the commands need and forks for each of them.

What runs is a process like any other, with streams, an environment and an exit of its own; only its start-up, three
quarters of a short command, is paid once. The two processes that a run starts beside itself, the courier and MLflow's
projector, are forked in the same way: where ``python`` is the launcher of ``commands.py``, its words come here. Tests
of what a command loads, and of signals, start theirs by hand.

There are two of them: commands and couriers are forked from one without MLflow, as they have none; projectors from one
with it, which copies MLflow's database for a fresh workspace. Tests of its making start theirs by hand.

It listens on a Unix socket; a request is one JSON object {argv, cwd, env, executable} with the descriptors of the
standard streams, and of a socket where the words end in its number. The answers are the id of the process, to which
signals go, and its exit code.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
LOADED = ("reports", "optimizers", "experiments", "tasks", "gates", "programs", "metrics", "calls", "data", "core")
MOST_BYTES = 1_000_000


def load() -> None:
    """Import the command line and all that it may need but MLflow, which has a process of its own."""
    importlib.import_module("cli")
    for name in LOADED:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)
    assert not {"mlflow", "litellm"} & set(sys.modules)
    gc.freeze()


def become(request: dict, handed: list[int]) -> None:
    """Take the streams, the environment and the words of the command; this process is it from here on."""
    for number, handle in enumerate(handed[:3]):
        os.dup2(handle, number)
        os.close(handle)
    assert min(handed) > 2, "a stream that was closed would be the descriptor of a database"
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = request["argv"]
    sys.executable = request["executable"]


def run(request: dict, handed: list[int]) -> None:
    become(request, handed)
    if sys.argv[0] == "-m":
        name, sys.argv = sys.argv[1], [*sys.argv[1:2], *map(str, handed[3:])]
        os.setsid()
        if name in sys.modules:
            sys.modules[name].main()
        else:
            runpy.run_module(name, run_name="__main__")
    elif sys.argv[0] == "-c":
        code, sys.argv = sys.argv[1], ["-c", *sys.argv[2:]]
        sys.path.insert(0, request["cwd"])
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        importlib.import_module("cli").main()


def ended(request: dict, handed: list[int]) -> int:
    """Run the command as the interpreter would, to the last thread and exit function; the code that it ends with."""
    code: object = 0
    try:
        run(request, handed)
    except SystemExit as stop:
        code = stop.code
    except BaseException:  # noqa: BLE001 - told as the interpreter tells it
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


def answer(connection: socket.socket) -> None:
    """Fork once more for the command, wait for it and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, handed, _, _ = socket.recv_fds(connection, MOST_BYTES, 4)
    request = json.loads(said)
    child = os.fork()
    if child == 0:
        connection.close()
        os._exit(ended(request, handed))  # taking down all that was loaded costs more than a short command
    connection.sendall(str(child).encode())
    for handle in handed:
        os.close(handle)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def main() -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{sys.argv[1]}.new")
    listener.listen(64)
    os.rename(f"{sys.argv[1]}.new", sys.argv[1])  # whoever sees it may connect
    if sys.argv[2] == "mlflow":
        importlib.import_module("tests.tracking.template").load_mlflow()
        gc.freeze()
    else:
        load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in (ready := select.select([sys.stdin, listener], [], [])[0]):
        if listener in ready:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                answer(connection)
                os._exit(0)
            connection.close()


if __name__ == "__main__":
    sys.path[0] = str(HOME)
    main()
