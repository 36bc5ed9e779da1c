import errno
import hashlib
import os
import signal
import subprocess
import sys

import pytest

from groundup.core.errors import from_os_error
from groundup.core.publish import digest_file, publish, remove


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with publish(path) as partial:
        partial.write_text("new")
        assert not path.exists()
        assert partial.name.endswith(".partial")
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o755, 0o644), (0o700, 0o600)])
def test_who_may_read_the_folder_may_read_the_file(tmp_path, folder_mode, file_mode):
    tmp_path.chmod(folder_mode)
    path = tmp_path / "a.safetensors"
    with publish(path) as partial:
        partial.touch(mode=0o600)
    assert path.stat().st_mode & 0o777 == file_mode


def write_half(path, error):
    with publish(path) as partial:
        partial.write_bytes(b"half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt()])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)):
        write_half(path, error)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    full = OSError(errno.ENOSPC, "No space left on device", str(path))
    with pytest.raises(OSError, match="No space") as caught:
        write_half(path, full)
    assert path.read_bytes() == b"old"
    assert not list(tmp_path.glob("*.partial"))
    assert "no space left" in from_os_error(caught.value).message


def test_a_disk_that_fills_while_syncing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), publish(path) as partial:
        partial.write_bytes(b"new")
    assert path.read_bytes() == b"old"
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "model"
    for names in (("a", "b"), ("c",)):
        with publish(path) as partial:
            partial.mkdir()
            for name in names:
                (partial / name).write_text(name)
    assert [p.name for p in path.iterdir()] == ["c"]


KILLED = """
import os, signal, sys
from pathlib import Path
from groundup.core.publish import publish

path, lines = Path(sys.argv[1]), int(sys.argv[2])
seen = 0

def trace(frame, event, argument):
    global seen
    if not frame.f_code.co_filename.endswith(("core/publish.py", "<string>")):
        return None
    if event == "line":
        seen += 1
        if seen == lines:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace

def write():
    with publish(path) as partial:
        with partial.open("wb") as file:
            for _ in range(3):
                file.write(b"n" * 100_000)
                file.flush()

sys.settrace(trace)
write()
"""


def test_a_kill_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "a.bin"
    old, new = b"o" * 50, b"n" * 300_000
    found = set()
    for lines in range(1, 200):
        path.write_bytes(old)
        command = [sys.executable, "-S", "-c", KILLED, str(path), str(lines)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert path.read_bytes() in {old, new}
        found.add(path.read_bytes())
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert found == {old, new}
    assert lines > 10


def test_remove_takes_files_folders_and_nothing(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("folder", "file", "absent"):
        remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_digest_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
