import subprocess
import sys

from groundup.model.allocator import tune_allocator


def test_the_allocator_is_tuned_without_pytorch():
    program = (
        "import sys; from groundup.model.allocator import tune_allocator;"
        "tuned = tune_allocator(); assert 'torch' not in sys.modules; print(tuned)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in ("True", "False")


def test_other_systems_keep_their_allocator(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert tune_allocator() is False
