"""A real server on a free port, with a tiny random model, for the real client."""

import contextlib
import threading
import time
from dataclasses import dataclass

import openai
import pytest
import torch
import uvicorn

from groundup.core.artifact import RunDir
from groundup.core.manifest import Manifest
from groundup.generate.load import LoadedModel
from groundup.model import weights
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.serve.app import create_app
from groundup.serve.keys import listen
from groundup.serve.models import ServedModel
from groundup.serve.worker import Worker
from groundup.tokens import chat
from groundup.tokens.tokenizer import Tokenizer

KEY = "sk-gu-test"
CONTEXT = 160


def tiny_tokenizer():
    merges = [b"th", b"the", b" the", b"an", b"in", b" a", "é".encode()]
    return Tokenizer([*(bytes([value]) for value in range(256)), *merges])


def tiny_model(tokenizer, *, context=CONTEXT):
    torch.manual_seed(0)
    config = ModelConfig(
        n_layers=2,
        d_model=32,
        n_heads=2,
        context_length=context,
        vocab_size=tokenizer.vocab_size,
        tied=False,
    )
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():  # far from uniform, so that greedy text varies
            parameter.add_(0.3 * torch.randn_like(parameter))
        for id in tokenizer.special.values():  # never the likeliest, so greedy text goes on
            model.head.weight[id] = 0
    return model.eval()


def serve_tiny(*, id="tiny-sft-000000000000", alias="sft", context=CONTEXT):
    tokenizer = tiny_tokenizer()
    loaded = LoadedModel(
        "tiny", tiny_model(tokenizer, context=context), tokenizer, chat.stop_ids(tokenizer), context
    )
    return ServedModel(id, alias, loaded, created=1_700_000_000, fingerprint="fp_0123456789")


@dataclass
class Running:
    url: str
    worker: Worker

    def client(self, **options):
        return openai.OpenAI(
            base_url=f"{self.url}/v1",
            **{"api_key": KEY, "max_retries": 0, "timeout": 30, **options},
        )


@contextlib.contextmanager
def running(served, *, api_key=KEY, worker=None):
    torch.set_num_threads(1)
    worker = worker or Worker()
    app = create_app(served, api_key=api_key, worker=worker)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    with listen("127.0.0.1", 0) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Running(f"http://127.0.0.1:{bound.getsockname()[1]}", worker)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def tiny_served():
    return serve_tiny()


@pytest.fixture(scope="module")
def server(tiny_served):
    with running([tiny_served]) as started:
        yield started


@pytest.fixture
def client(server):
    with server.client() as made:
        yield made


@pytest.fixture
def start():
    """Starts a server of its own: `with start([...], api_key=None) as server`."""
    return running


@pytest.fixture
def make_served():
    return serve_tiny


@pytest.fixture
def run_dir(tmp_path):
    """A finished run of the sft stage with a tiny model."""
    tokenizer = tiny_tokenizer()
    manifest = Manifest(stage="sft", stage_version=1, name="tiny", key="0123456789ab")
    out = RunDir(tmp_path / "runs/sft/tiny-0123456789ab", manifest, 'stage = "sft"\n')
    folder = out.path / "model"
    weights.save(tiny_model(tokenizer), folder)
    tokenizer.save(folder / "tokenizer.json")
    out.write_json("model/chat.json", chat.template_json(tokenizer))
    return out.complete().path
