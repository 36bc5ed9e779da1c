"""A tokens run over a small text, one byte a token, and a way to pretrain on it."""

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.config import validate
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.config import PretrainConfig

# What ranks do stands beside the tests.
sys.path.insert(0, str(Path(__file__).parent))

WORDS = ("the", "model", "reads", "a", "row", "of", "bytes", "and", "learns", "what", "is", "next")


def small_text(n_words, seed):
    rng = random.Random(seed)
    sentences = [" ".join(rng.choices(WORDS, k=8)) + ".\n" for _ in range(n_words // 8)]
    return "".join(sentences)


def make_tokens_run(folder, train_text, validation_text):
    """Writes what the tokens stage writes, with a tokenizer of bytes."""
    out = RunDir(folder, Manifest(stage="tokens", stage_version=1, name="t", key="0" * 12), "")
    tokenizer = Tokenizer([bytes([value]) for value in range(256)])
    tokenizer.save(out.file("tokenizer.json"))
    about = {"dtype": "uint16", "vocab_size": tokenizer.vocab_size}
    for split, text in [("train", train_text), ("validation", validation_text)]:
        ids = [*tokenizer.encode(text), tokenizer.end_id]
        out.file(f"{split}/00000.bin").write_bytes(np.array(ids, dtype="<u2").tobytes())
        about[f"{split}_tokens"], about[f"{split}_bytes"] = len(ids), len(text.encode())
    out.file("tokens.json").write_text(json.dumps(about))
    return out.complete()


@pytest.fixture(scope="session")
def tokens(tmp_path_factory) -> Artifact:
    folder = tmp_path_factory.mktemp("runs") / "tokens"
    return make_tokens_run(folder, small_text(4000, seed=1), small_text(400, seed=2))


@pytest.fixture(scope="session")
def mixed_tokens(tmp_path_factory) -> Artifact:
    """A tokens run over two corpora: `letters` has 4,000 tokens of lower case, `digits` 1,000."""
    folder = tmp_path_factory.mktemp("runs") / "mixed"
    out = RunDir(folder, Manifest(stage="tokens", stage_version=1, name="m", key="2" * 12), "")
    tokenizer = Tokenizer([bytes([value]) for value in range(256)])
    tokenizer.save(out.file("tokenizer.json"))
    about = {"dtype": "uint16", "vocab_size": tokenizer.vocab_size, "sources": {}}
    for split, scale in [("train", 1), ("validation", 10)]:
        for name, alphabet, size in [("digits", "0123456789", 1000), ("letters", "abcd efg", 4000)]:
            text = "".join(random.Random(name).choices(alphabet, k=size // scale - 1))
            ids = np.array([*tokenizer.encode(text), tokenizer.end_id], dtype="<u2")
            out.file(f"{split}/{name}/00000.bin").write_bytes(ids.tobytes())
            counts = about["sources"].setdefault(name, {})
            counts |= {f"{split}_tokens": len(ids), f"{split}_bytes": len(text)}
        for unit in ("tokens", "bytes"):
            parts = about["sources"].values()
            about[f"{split}_{unit}"] = sum(part[f"{split}_{unit}"] for part in parts)
    out.file("tokens.json").write_text(json.dumps(about))
    return out.complete()


@pytest.fixture(scope="session")
def config() -> PretrainConfig:
    """Twenty steps of a very small model."""
    values = {
        "tokens": "tokens.toml",
        "budget_tokens": 20 * 256,
        "batch_tokens": 256,
        "micro_batch_tokens": 128,
        "evaluation_every_steps": 8,
        "evaluation_tokens": 512,
        "log_every_steps": 4,
        "samples": {"prompts": ["the "], "max_new_tokens": 4},
        "model": {
            "n_layers": 2,
            "d_model": 16,
            "n_heads": 2,
            "context_length": 32,
            "position": "rope",
            "tied": False,
        },
    }
    return validate(PretrainConfig, values, source="test")


@pytest.fixture
def new_run(tmp_path):
    """Makes the run directory of a pretraining run, or opens it again."""

    def make(name="pretrain"):
        manifest = Manifest(stage="pretrain", stage_version=1, name=name, key="1" * 12)
        return RunDir(tmp_path / name, manifest, 'stage = "pretrain"\n')

    return make
