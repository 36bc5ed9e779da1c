"""A tokenizer and small models for the tests of this folder."""

import torch

from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer

WORDS = [b"ab", b"abc", b"th", b"the", b" the", b"\xe2\x82", b"\xf0\x9f", b"ST", b"OP", b"STOP"]
TOKENIZER = Tokenizer([bytes([value]) for value in range(256)] + WORDS)


def model(*, context_length=64, seed=1, dtype=torch.float32, **changes):
    """A model with sharp, varied opinions: weights are large."""
    values = {
        "n_layers": 2, "d_model": 32, "n_heads": 4, "n_kv_heads": 2, "position": "rope",
        "tied": False, "context_length": context_length, "vocab_size": TOKENIZER.vocab_size,
    }  # fmt: skip
    built = Transformer(
        ModelConfig.model_validate({**values, **changes}), seed=None, compute_dtype=dtype
    )
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            centre = 1.0 if name.endswith("norm.weight") else 0.0
            parameter.copy_(centre + 0.3 * torch.randn(parameter.shape, generator=stream))
    return built.eval()


class Scripted(Transformer):
    """Says given ids one after the other, whatever the prompt's content, from its position on."""

    def __init__(self, script, *, prompt_length, context_length=64):
        config = ModelConfig(
            n_layers=1, d_model=4, n_heads=1, context_length=context_length,
            vocab_size=TOKENIZER.vocab_size,
        )  # fmt: skip
        super().__init__(config, seed=0, compute_dtype=torch.float32)
        self.calls = 0
        self.head = _Say(script, prompt_length)

    def hidden(self, ids_BT, *, cache=None):
        self.calls += 1
        positions = cache.positions(ids_BT.shape[1])
        cache.reserve(ids_BT.shape[1])
        cache.advance(ids_BT.shape[1])
        return positions.expand(ids_BT.shape)[..., None]


class _Say(torch.nn.Module):
    """Logits from positions."""

    def __init__(self, script, prompt_length):
        super().__init__()
        self.script, self.prompt_length = torch.tensor([*script, 0]), prompt_length

    def forward(self, positions):
        index = (positions[..., 0] - self.prompt_length + 1).clamp(0, len(self.script) - 1)
        return torch.nn.functional.one_hot(self.script[index], TOKENIZER.vocab_size).float() * 50
