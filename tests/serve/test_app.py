import os
import re
import signal
import subprocess
import sys
import time

import httpx
import openai
import pytest

PROGRAM = """
import sys
from pathlib import Path
from groundup.core import interrupt
from groundup.serve.app import run_server
interrupt.install()
run_server([Path(sys.argv[1])], port=0, data_dir=Path(sys.argv[2]), device="cpu")
print("ended in order", flush=True)
"""


@pytest.fixture
def process(run_dir, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    environment.pop("GROUNDUP_API_KEY", None)
    command = [sys.executable, "-c", PROGRAM, str(run_dir), str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as started:
        yield started
        started.kill()


def start_up(process):
    """Address and key, as printed for people."""
    text = "".join(process.stdout.readline() for _ in range(3))
    address = re.search(r"http://\S+/v1", text).group()
    end = time.monotonic() + 60
    while True:
        try:
            httpx.get(address.replace("/v1", "/health"))
            return address, re.search(r"sk-gu-\S+", text).group()
        except httpx.ConnectError:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_stream_finish_then_ends_the_server(process, number):
    address, key = start_up(process)
    with openai.OpenAI(base_url=address, api_key=key, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["tiny-sft-0123456789ab", "sft"]
        stream = client.chat.completions.create(
            model="sft", messages=[{"role": "user", "content": "Hi"}], temperature=0, stream=True
        )
        next(iter(stream))
        process.send_signal(number)
        assert list(stream)[-1].choices[0].finish_reason == "length"
    out, _ = process.communicate(timeout=60)
    assert out.strip() == "ended in order"
    assert process.returncode == 0
