import subprocess
import sys
import threading

import pytest

from core.errors import OutputError
from core.lock import FileLock, Locked

HOLD = """
import sys
from core.errors import OutputError
from core.lock import FileLock
with FileLock(sys.argv[1], timeout=0):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_holds_it_and_its_death_lets_it_go(tmp_path):
    path = tmp_path / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match=r"a\.lock: another process has held this lock for 0\.1 s") as refused:
            FileLock(path, timeout=0.1).acquire()
        assert "run the same command again" in refused.value.hint  # wherever it is waited for, it is no traceback
        other.kill()
    with FileLock(path, timeout=0):
        assert path.exists()


def test_threads_wait_for_each_other_whether_they_share_the_lock_or_the_file(tmp_path):
    shared, inside, most = FileLock(tmp_path / "a.lock", timeout=60), [], []

    def work(number):
        for _ in range(20):
            with shared if number % 2 else FileLock(tmp_path / "a.lock", timeout=60):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 80
    assert set(most) == {1}


def test_a_file_that_was_deleted_while_it_was_held_locks_nothing(tmp_path):
    path = tmp_path / "a.lock"
    first = FileLock(path, timeout=0)
    first.acquire()
    path.unlink()
    with FileLock(path, timeout=0), pytest.raises(Locked):
        FileLock(path, timeout=0).acquire()
    first.release()


def test_what_cannot_be_made_is_an_error_and_leaves_the_lock_free(tmp_path):
    lock = FileLock(tmp_path / "none" / "a.lock", timeout=0)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            lock.acquire()
    (tmp_path / "none").mkdir()
    with lock:
        assert (tmp_path / "none" / "a.lock").exists()
