"""A toy world: a byte tokenizer, a tiny random model, a few questions."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.records import Example, Message, write_examples
from groundup.finetune import sft
from groundup.finetune.config import SftConfig
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


@pytest.fixture(scope="session", name="question")
def question_maker() -> Callable[..., Example]:
    return question


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


def open_run(root: Path, name: str, stage: str) -> RunDir:
    manifest = Manifest(stage=stage, stage_version=1, name=name, key="0" * 12)
    return RunDir(root / name, manifest, "")


def save_examples(out: RunDir, **files: Sequence[Example]) -> Artifact:
    for file in ("train", "validation", "heldout"):
        write_examples(out.file(f"{file}.jsonl"), files.get(file, ()))
    return out.complete()


@pytest.fixture
def new_run(tmp_path) -> Callable[..., RunDir]:
    """Opens (again) the unfinished run directory of a name."""
    return lambda name, stage="sft": open_run(tmp_path, name, stage)


@pytest.fixture(scope="session")
def base_model(tmp_path_factory, tiny_config, tokenizer) -> Artifact:
    out = open_run(tmp_path_factory.mktemp("base"), "base", "pretrain")
    publish_model(out, Transformer(tiny_config, seed=3), tokenizer)
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
        return save_examples(out, train=train, validation=validation, heldout=heldout)

    return make


@pytest.fixture(scope="session")
def tuned(tmp_path_factory, base_model) -> Artifact:
    """A model that says red, green or blue by chance."""
    root = tmp_path_factory.mktemp("tuned")
    colours = ["red", "green", "blue"]
    train = [question(i, colours[i % 3]) for i in range(60)]
    examples = save_examples(open_run(root, "colours", "instruct"), train=train)
    out = open_run(root, "tuned", "sft")
    settings = SftConfig(
        model="m", examples="e", epochs=40.0, batch_examples=20, lr_scale=1.0, seed=2
    )
    sft.run(settings, {"model": base_model, "examples": examples}, out)
    return out.complete()
