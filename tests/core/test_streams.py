"""The standard streams of a process that was started without them."""

import subprocess
import sys

import pytest

from core.workspace import HOME

KEEP = "from core.files import keep_streams; keep_streams(); "


@pytest.mark.parametrize(("first", "number"), [("", "0"), (KEEP, "3")])
def test_a_process_without_a_standard_input_gives_its_number_to_no_file(first, number):
    code = f"{first}import os; print(os.open('.', os.O_RDONLY))"
    words = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-c", code]
    done = subprocess.run(words, cwd=HOME, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == number
