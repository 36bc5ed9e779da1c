import io

import pytest
import torch

from groundup.cli import talk
from groundup.core.errors import ConfigError, DataError
from groundup.generate.load import LoadedModel
from groundup.generate.sampling import SamplingParams
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens import chat
from groundup.tokens.tokenizer import Tokenizer

GREEDY = SamplingParams(max_new_tokens=6, temperature=0.0)


@pytest.fixture
def model():
    tokenizer = Tokenizer([bytes([byte]) for byte in range(256)], pattern="gpt2")
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, n_layers=1, d_model=16, n_heads=2, context_length=64
    )
    transformer = Transformer(config, seed=1, compute_dtype=torch.float32)
    return LoadedModel(
        name="tiny",
        model=transformer,
        tokenizer=tokenizer,
        stop_ids=chat.stop_ids(tokenizer),
        context_length=64,
    )


def test_ask_prints_what_the_engine_makes(model, capsys):
    talk.ask(model, GREEDY, prompt="hi", system=None)
    first = capsys.readouterr().out
    talk.ask(model, GREEDY, prompt="hi", system=None)
    assert capsys.readouterr().out == first


def test_a_conversation_ends_with_the_input(model, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n/reset\n/quit\n"))
    talk.converse(model, GREEDY, system=None)
    shown = capsys.readouterr().out
    assert "tiny, context 64 tokens" in shown


def test_old_turns_are_forgotten_before_the_context_is_full(model):
    history = [talk.Message(role, "x" * 10) for role in ("user", "assistant") * 3]
    kept = talk._within_context(model, [*history, talk.Message("user", "x")], None)
    assert kept[-1] == talk.Message("user", "x")
    assert len(model.chat_ids(kept)) <= 32
    assert kept[0].role == "user"


def test_a_prompt_that_fills_the_context_is_refused(model):
    with pytest.raises(DataError, match="64"):
        talk.ask(model, GREEDY, prompt="x" * 80, system=None)


def test_explain_needs_a_prompt(model):
    with pytest.raises(ConfigError, match="--explain"):
        talk.explain(model, GREEDY, prompt=None, system=None)


def test_explained_steps_show_the_likeliest_tokens_first(model, capsys):
    talk.explain(model, GREEDY, prompt="hi", system=None)
    shown = capsys.readouterr().out
    assert "the model reads" in shown
    assert "│    1 │" in shown
