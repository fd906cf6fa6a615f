"""Every command of the README, one after another in one checkout, which stays clean and fit for its own suite."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.journeys.commands import HANGS, HOME, gold

NEEDS = {"--student": "a key", "verdicts.jsonl": "an auditor of one's own", "doctor": "a key", "SOURCE": "sessions"}
"""Commands of the README that a checkout alone cannot run, by the word that shows it, and what they need."""
YOURS = {"rows.jsonl", "configs/triage.yaml", "prompt.json"}
"""Files that the person has named; all else that commands write must be none of git's business."""


def commands():
    """What stands after ``python cli.py`` in the README, without comments, those apart that need more."""
    text = (HOME / "README.md").read_text("utf-8")
    found = re.findall(r"^python cli\.py ([^#\n]+)", text, re.M) + re.findall(r"`python cli\.py ([^`#]+)`", text)
    return [shlex.split(words) for words in found if not any(word in words for word in NEEDS)]


@pytest.mark.slow
def test_every_command_of_the_readme_leaves_a_checkout_clean_and_its_suite_whole(tmp_path):
    place = tmp_path / "proven"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{HOME}", place], check=True, timeout=HANGS)
    gold(place / "rows.jsonl")
    (place / "DIR").mkdir()

    def here(*words):
        env = {**os.environ, "PYTHONPATH": str(place)}
        done = subprocess.run(
            [sys.executable, *words], cwd=place, env=env, capture_output=True, text=True, check=False, timeout=2 * HANGS
        )
        return done.returncode, done.stdout + done.stderr

    known = ["optimize extraction", "optimize triage", "export triage", "distill --gold", "matrix condensation"]
    told = [["optimize", "extraction"], *commands()]  # what ``make demo`` runs
    assert [k for k in known if not any(" ".join(words).startswith(k) for words in told)] == []
    for words in told:
        if "RUN" in words:
            run_id = json.loads(here("cli.py", "runs", "--json")[1])["runs"][0]["run_id"]
            words = [word.replace("RUN", run_id) for word in words]
        code, text = here("cli.py", *words)
        accepted = {0, 77} if words[0] == "export" else {0}  # 77: nothing was promoted, which is an answer too
        assert code in accepted, (words, text)
    status = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=place, capture_output=True, text=True, check=True
    )
    left = {line[3:] for line in status.stdout.splitlines()} - YOURS
    assert {name for name in left if not name.startswith("DIR/")} == set()
    code, text = here("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
    assert code == 0, text[-3000:]
    assert "[distill-" not in text
    code, text = here("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_catalogs.py")
    assert code == 0, text[-3000:]
