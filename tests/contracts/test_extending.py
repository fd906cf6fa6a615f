"""The page on extending: every diff of it applies, is as small as it says, and does what it says."""

import re
import shutil
import subprocess
import sys

import pytest

from core.workspace import HOME

PAGE = (HOME / "docs" / "extending.md").read_text("utf-8")
RECIPES = re.findall(r"^## (.+?)\n(?:.*?)```diff\n(.*?)```\n\n```python\n(.*?)```", PAGE, re.S | re.M)
CATALOGS = ("__init__.py", "catalog.py")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project's packages, without what a person has made."""
    root = tmp_path_factory.mktemp("copy") / "project"
    left = shutil.ignore_patterns(".git", ".venv", "mlruns", "tests", "bench", "docs", "__pycache__", "*.egg-info")
    shutil.copytree(HOME, root, ignore=left, symlinks=True)
    return root


def test_the_page_has_ten_recipes():
    assert len(RECIPES) == 10


@pytest.mark.parametrize(("name", "diff", "check"), RECIPES, ids=[recipe[0] for recipe in RECIPES])
def test_a_recipe_takes_two_files_and_a_catalog_line_and_works(copy, name, diff, check):
    files = re.findall(r"^\+\+\+ b/(.+)$", diff, re.M)
    assert len([file for file in files if not file.endswith(CATALOGS)]) <= 2
    for words in ([], ["--reverse"]):
        done = subprocess.run(
            ["git", "apply", *words, "-"], cwd=copy, input=diff, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        if not words:
            ran = subprocess.run([sys.executable, "-c", check], cwd=copy, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
