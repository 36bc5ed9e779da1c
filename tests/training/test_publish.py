"""The folder of a finished model opens by itself."""

import json

import torch

from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.model.weights import load
from groundup.tokens.chat import TEMPLATE, stop_ids
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.publish import publish_model


def test_what_is_published_is_the_model_its_tokenizer_and_its_template(new_run):
    out = new_run()
    tokenizer = Tokenizer([bytes([value]) for value in range(256)])
    shape = ModelConfig(
        n_layers=1, d_model=16, n_heads=2, context_length=8, vocab_size=tokenizer.vocab_size
    )
    model = Transformer(shape, seed=4)
    publish_model(out, model, tokenizer)
    folder = out.path / "model"
    assert sorted(path.name for path in folder.iterdir()) == [
        "chat.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    again = load(folder)
    assert all(
        torch.equal(*pair) for pair in zip(again.parameters(), model.parameters(), strict=True)
    )
    assert Tokenizer.load(folder / "tokenizer.json").encode("a b") == tokenizer.encode("a b")
    chat = json.loads((folder / "chat.json").read_text())
    assert chat == {"template": TEMPLATE, "stop_ids": sorted(stop_ids(tokenizer))}
