"""What the documents say is what the code does."""

import subprocess
import sys
from pathlib import Path

from core.workspace import HOME
from tests.journeys.commands import HANGS


def test_the_page_of_commands_is_the_one_that_make_docs_writes(tmp_path):
    page = tmp_path / "cli.md"
    words = [Path(sys.executable).with_name("typer"), "cli.py", "utils", "docs", "--name", "python cli.py"]
    subprocess.run([*words, "--output", page], cwd=HOME, check=True, capture_output=True, timeout=HANGS)
    assert page.read_text("utf-8") == (HOME / "docs" / "cli.md").read_text("utf-8"), "run: make docs"
