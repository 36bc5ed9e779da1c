"""Samples taken while training: the same after a resume, and once for each step."""

import json

import pytest

from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.config import SamplesConfig
from groundup.training.samples import Samples


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer([bytes([value]) for value in range(256)])


@pytest.fixture(scope="module")
def model(tokenizer):
    shape = ModelConfig(
        n_layers=1, d_model=16, n_heads=2, context_length=16, vocab_size=tokenizer.vocab_size
    )
    return Transformer(shape)


def samples_of(out, tokenizer, *, first_step=0, **values):
    config = SamplesConfig(**{"prompts": ("a", ""), "max_new_tokens": 5, **values})
    return Samples(out, tokenizer, config, seed=1, first_step=first_step)


def rows_of(out):
    return [json.loads(line) for line in (out.path / "samples.jsonl").read_text().splitlines()]


def test_every_prompt_gets_a_line_and_a_step_is_sampled_once(new_run, model, tokenizer):
    out = new_run()
    samples = samples_of(out, tokenizer)
    samples.write(model, 0)
    samples.write(model, 0)
    assert [(row["step"], row["prompt"]) for row in rows_of(out)] == [(0, "a"), (0, "")]


def test_what_was_sampled_after_the_checkpoint_is_sampled_again_alike(new_run, model, tokenizer):
    out = new_run()
    samples = samples_of(out, tokenizer)
    for step in (0, 8, 16):
        samples.write(model, step)
    whole = rows_of(out)
    resumed = samples_of(out, tokenizer, first_step=8)
    resumed.write(model, 16)
    assert rows_of(out) == whole
    assert whole[0]["text"] != whole[2]["text"]  # each step has draws of its own


def test_a_prompt_longer_than_the_context_is_cut(new_run, model, tokenizer):
    out = new_run()
    samples_of(out, tokenizer, prompts=("x" * 100,), max_new_tokens=500).write(model, 0)
    assert len(rows_of(out)) == 1


def test_no_prompts_write_nothing(new_run, model, tokenizer):
    out = new_run()
    samples_of(out, tokenizer, prompts=()).write(model, 0)
    assert not (out.path / "samples.jsonl").exists()
