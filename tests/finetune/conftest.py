"""A toy world: a byte tokenizer, a tiny random model, a few questions."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.records import Example, Message, write_examples
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.publish import publish_model

CONTEXT = 48


def question(number: int, answer: str, *, task: str = "say", prompt: str = "") -> Example:
    return Example(
        id=f"{task}-{number}",
        task=task,
        messages=(Message("user", prompt or f"q{number}?"),),
        answer=answer,
        grader="exact",
        group=f"{task}-{number}",
    )


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer([bytes([value]) for value in range(256)])


@pytest.fixture(scope="session")
def tiny_config(tokenizer) -> ModelConfig:
    return ModelConfig(
        n_layers=2,
        d_model=32,
        n_heads=2,
        context_length=CONTEXT,
        position="rope",
        tied=False,
        vocab_size=tokenizer.vocab_size,
    )


@pytest.fixture
def tiny_model(tiny_config) -> Transformer:
    return Transformer(tiny_config, seed=3)


@pytest.fixture
def new_run(tmp_path) -> Callable[..., RunDir]:
    """Opens (again) the unfinished run directory of a name."""

    def open_run(name: str, stage: str = "sft") -> RunDir:
        manifest = Manifest(stage=stage, stage_version=1, name=name, key="0" * 12)
        return RunDir(tmp_path / "runs" / name, manifest, "")

    return open_run


@pytest.fixture
def base_model(new_run, tiny_model, tokenizer) -> Artifact:
    out = new_run("base", "pretrain")
    publish_model(out, tiny_model, tokenizer)
    return out.complete()


@pytest.fixture
def make_examples(new_run) -> Callable[..., Artifact]:
    def make(
        train: Sequence[Example],
        validation: Sequence[Example] = (),
        heldout: Sequence[Example] = (),
        name: str = "examples",
    ) -> Artifact:
        out = new_run(name, "instruct")
        files = {"train": train, "validation": validation, "heldout": heldout}
        for file, examples in files.items():
            write_examples(Path(out.file(f"{file}.jsonl")), examples)
        return out.complete()

    return make
