"""The README's pictures, from real runs: a demo is run in a folder of its own, and its pages are photographed.

Needs a Chromium on this machine and no network; without one it says so and changes nothing. A picture is a PNG of few
colours and at most 150 kB. Usage: python -m bench.pictures [--out docs/img] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.browser import Browser, chromium

HOME = Path(__file__).resolve().parent.parent
MOST_BYTES = 150_000
NO_BROWSER = "skipped: no Chromium on this machine (apt-get install chromium); the pictures stay as they are"


@dataclass(frozen=True)
class Picture:
    """One picture: the page it is of, the size of the screen in CSS pixels, and from which element on."""

    name: str
    page: str
    width: int = 960
    height: int = 1000
    dark: bool = False
    start: str = ""


PICTURES = (
    Picture("report.png", "extraction-2*.html"),
    Picture("search.png", "extraction-2*.html", height=900, start="#search"),
    Picture("task.png", "extraction.html", height=1120, dark=True),
    Picture("matrix.png", "condensation-matrix-*.html", height=1000, start="#models-and-prompts"),
)
RUNS = (
    ("optimize", "extraction"),
    ("optimize", "extraction", "--optimizer", "bootstrap"),
    ("report", "extraction"),
    ("matrix", "condensation"),
)
"""What is run, in a workspace that has the built-in tasks and nothing else."""


def run_all(workspace: Path) -> None:
    """Make the workspace and run what the pictures are of.

    Raises:
        subprocess.CalledProcessError: If a command fails.
    """
    for folder in ("configs", "corpora"):
        shutil.copytree(HOME / folder, workspace / folder, dirs_exist_ok=True)
    for words in RUNS:
        print("python cli.py", *words, flush=True)
        command = [sys.executable, str(HOME / "cli.py"), *words, "--workspace", str(workspace)]
        subprocess.run(command, cwd=HOME, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def take(browser: Browser, picture: Picture, reports: Path, out: Path) -> int:
    """Take one picture; returns its bytes.

    Raises:
        FileNotFoundError: If no run has written such a page.
    """
    pages = sorted(reports.glob(picture.page))
    if not pages:
        raise FileNotFoundError(f"{reports}: no page {picture.page}")
    browser.open(_shown(pages[0]), width=picture.width, height=picture.height, dark=picture.dark)
    if picture.start:
        browser.value(f"document.querySelector({picture.start!r}).scrollIntoView()")
    path = out / picture.name
    browser.picture(path)
    _shrink(path)
    return path.stat().st_size


def _shown(page: Path) -> Path:
    """The page as somebody sees it who works in the project's own folder: commands name no workspace."""
    text = page.read_text("utf-8").replace(f" --workspace {page.parent.parent.parent}", "")
    shown = page.parent.parent / "shown.html"
    shown.write_text(text, "utf-8")
    return shown


def _shrink(path: Path) -> None:
    """A picture of few colours, which text and plain grounds do not miss; as it is where Pillow is absent."""
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(path) as drawn:
        few = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HOME / "docs" / "img", help="where the pictures go")
    parser.add_argument("--keep", type=Path, help="folder for the runs, kept; runs that are there are not made again")
    given = parser.parse_args()
    program = chromium()
    if program is None:
        print(NO_BROWSER)
        return
    with tempfile.TemporaryDirectory() as temporary, Browser(program) as browser:
        workspace = given.keep or Path(temporary)
        reports = workspace / "mlruns" / "reports"
        if not reports.is_dir():
            run_all(workspace)
        given.out.mkdir(parents=True, exist_ok=True)
        for picture in PICTURES:
            size = take(browser, picture, reports, given.out)
            print(f"{given.out / picture.name}: {size / 1000:.0f} kB")
            if size > MOST_BYTES:
                sys.exit(f"{picture.name} has {size:,} bytes; at most {MOST_BYTES:,} are wanted")


if __name__ == "__main__":
    main()
