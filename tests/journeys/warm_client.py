"""Asks the process of ``warm.py`` to run words; as a script, in place of ``python -m MODULE DESCRIPTOR``.

Light on purpose: it takes the place of an interpreter's start.
"""

import json
import os
import socket
import sys


def ask(path, argv, executable, handed, env, timeout=None):
    """The exit code of the words; None if they did not end in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        request = {"argv": argv, "cwd": os.getcwd(), "env": dict(env), "executable": executable}
        socket.send_fds(connection, [json.dumps(request).encode()], handed)
        try:
            said = connection.recv(64)
        except TimeoutError:
            return None
    return int(said or b"-9")


if __name__ == "__main__":
    path, executable, *argv = sys.argv[1:]
    handed = [0, 1, 2, int(argv.pop())]
    sys.exit(ask(path, argv, executable, handed, os.environ) % 256)
