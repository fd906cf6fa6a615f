"""A file is made private without touching the locks that this process has on it."""

import fcntl
import stat
import subprocess
import sys

from core.files import keep_private

TRY = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def test_a_new_file_and_one_that_was_open_to_all_are_the_owner_s_alone(tmp_path):
    keep_private(tmp_path / "new")
    (tmp_path / "old").write_text("kept")
    (tmp_path / "old").chmod(0o644)
    keep_private(tmp_path / "old")
    assert (tmp_path / "old").read_text() == "kept"
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old")} == {0o600}


def test_locks_of_this_process_on_the_file_stay(tmp_path):
    """Two ledgers of one process on one file would else write at the same time, and break it."""
    path = tmp_path / "ledger.db"
    keep_private(path)
    with path.open("r+") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        keep_private(path)
        other = subprocess.run([sys.executable, "-c", TRY, str(path)], capture_output=True, text=True, check=False)
    assert "BlockingIOError" in other.stderr
