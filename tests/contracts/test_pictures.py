"""The README's pictures: those that it shows, from the script that makes them, and none that is large."""

import re
import sys

from bench import pictures
from core.workspace import HOME

SHOWN = re.findall(r"!\[[^\]]+\]\(docs/img/([^)]+)\)", (HOME / "README.md").read_text("utf-8"))


def test_the_readme_shows_what_the_script_makes_and_nothing_else_is_kept():
    made = {picture.name for picture in pictures.PICTURES}
    assert set(SHOWN) == made == {path.name for path in (HOME / "docs" / "img").iterdir()}


def test_every_picture_is_small():
    for name in SHOWN:
        assert (HOME / "docs" / "img" / name).stat().st_size <= pictures.MOST_BYTES


def test_without_a_browser_the_script_says_so_and_changes_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["pictures", "--out", str(tmp_path / "img")])
    pictures.main()
    assert capsys.readouterr().out.strip() == pictures.NO_BROWSER
    assert not (tmp_path / "img").exists()
