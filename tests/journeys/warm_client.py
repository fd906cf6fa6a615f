"""Asks the process of ``warm.py`` to run words; as a script, in place of ``python -m MODULE DESCRIPTOR``.

Light on purpose: it takes the place of an interpreter's start.
"""

import json
import os
import socket
import sys


def begin(path, argv, executable, handed, env, cwd=None):
    """Have the words run; the connection, on which the exit code will come, and the id of the process."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(str(path))
    request = {"argv": argv, "cwd": cwd or os.getcwd(), "env": dict(env), "executable": executable}
    socket.send_fds(connection, [json.dumps(request).encode()], handed)
    return connection, int(connection.recv(64))


def ending(connection, timeout=None):
    """The exit code; None if the process did not end in time."""
    connection.settimeout(timeout)
    try:
        return int(connection.recv(64) or b"-9")
    except (TimeoutError, BlockingIOError):
        return None


if __name__ == "__main__":
    path, executable, *argv = sys.argv[1:]
    handed = [0, 1, 2, int(argv.pop())]
    sys.exit(ending(begin(path, argv, executable, handed, os.environ)[0]) % 256)
