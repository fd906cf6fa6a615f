"""What a person sees while a run works, in a terminal and in a pipe; the provider takes half a second a call."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from core.workspace import HOME
from tests.notes import notes
from tests.provider import Provider, serving

LAG = 24
"""Calls that the provider may have answered before one is seen on the screen: a second's worth at twelve threads."""


def command(root):
    words = ["optimize", "notes", "--set", "optimizer.budget=60", "--set", "optimizer.minibatch=6"]
    return [sys.executable, str(HOME / "cli.py"), *words, "--threads", "12", "--workspace", str(root)]


def chunks(fd):
    """What comes out of a descriptor, piece by piece, until it is closed."""
    while True:
        try:
            chunk = os.read(fd, 65536)
        except OSError:  # the other side of a pseudo-terminal is gone
            return
        if not chunk:
            return
        yield chunk.decode("utf-8", "replace")


def watch(fd, provider, pattern):
    """Every match of a pattern as it appears, with how many calls the provider had answered by then; and all text."""
    seen, text = [], ""
    for chunk in chunks(fd):
        answered = provider.ledger()["answered"]
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk)
        seen += [(match, answered) for match in re.findall(pattern, plain)]
        text += plain
    return seen, text


def test_the_terminal_shows_calls_money_what_is_left_and_the_best_while_the_search_runs(tmp_path):
    with serving(Provider(latency=0.5)) as provider:
        root = notes(tmp_path, provider.url)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
        process = subprocess.Popen(command(root), stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        frame = r"(search with gepa|holdout and gate) .*?(\d+)/(\d+) calls([^\r\n]*)[\r\n]+([^\r\n]*)"
        frames, text = watch(master, provider, frame)
        assert process.wait() == 0, text
        os.close(master)
    assert "lost sys.stderr" not in text
    search = [(int(f[1]), answered) for f, answered in frames if f[0] == "search with gepa"]
    assert len({shown for shown, _ in search}) >= 5  # it moves while the optimiser runs
    assert all(answered - shown <= LAG for shown, answered in search)
    counts = [int(f[1]) for f, _ in frames]
    assert counts == sorted(counts)
    assert all(int(f[1]) <= int(f[2]) for f, _ in frames)  # never more calls than in all
    assert any(" left" in f[3] for f, _ in frames)
    assert any(re.search(r"\$0\.\d+ of about \$0\.\d+ +2 candidates +best dev 0\.\d+ \(#1\)", f[4]) for f, _ in frames)
    assert max(len(line) for f, _ in frames for line in f[4].splitlines()) <= 80


def test_a_pipe_gets_a_line_per_candidate_and_per_tenth_of_the_way_while_the_search_runs(tmp_path):
    with serving(Provider(latency=0.5)) as provider:
        root = notes(tmp_path, provider.url)
        process = subprocess.Popen(command(root), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        lines, text = watch(process.stderr.fileno(), provider, r"(candidate 1: dev|search with gepa: \d+ of[^\n]*)")
        process.stderr.close()
        assert process.wait() == 0, text
        total = len(provider.seen)
    told = [(int(line.split()[3]), answered) for line, answered in lines if line.startswith("search")]
    assert told
    assert all(answered - shown <= LAG for shown, answered in told)
    [first] = [answered for line, answered in lines if line.startswith("candidate")]
    assert first < total - 60  # long before the holdout's hundred calls have ended
    assert re.search(
        r"calls, \$0\.\d+ of about \$0\.\d+, \d+ candidates?, best dev 0\.\d+ \(#\d+\), about \d+ s left", text
    )
    assert "\x1b" not in text


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_optimisers_own_words_stay_away_unless_one_debugs(capfd, stream):
    from optimizers.search import quiet

    for debug in (False, True):
        with quiet(debug=debug):
            print("their own words", file=getattr(sys, stream))
    assert getattr(capfd.readouterr(), stream[3:]).count("their own words") == 1
