"""The kill matrix of `benchmarks/`, with fewer kills."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_killed_runs_end_as_uninterrupted_ones(tmp_path):
    script = ROOT / "benchmarks" / "kill_matrix.py"
    command = [sys.executable, str(script), "--kills", "5", "--rank-kills", "1"]
    done = subprocess.run(
        [*command, "--work", str(tmp_path / "runs"), "--to", str(tmp_path / "page.md")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kills over 1 runs; **0 runs differ**" in (tmp_path / "page.md").read_text()
