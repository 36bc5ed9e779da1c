"""Bits per byte against one forward pass per row and a log-softmax by hand."""

import math

import numpy as np
import pytest
import torch

from groundup.core.errors import NumericalError
from groundup.evaluate.bits_per_byte import Compression, measure
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.loader import TokenRows

BYTES_BY_ID = [0, 1, 1, 2, 3, 4, 1, 2, 5, 1]
END = 0


def rows_of(n_tokens, context_length=8):
    ids = np.random.default_rng(3).integers(0, len(BYTES_BY_ID), n_tokens).astype(np.uint16)
    rows = TokenRows(
        [ids],
        context_length=context_length,
        end_id=END,
        n_bytes_by_id=BYTES_BY_ID,
        n_bytes=sum(BYTES_BY_ID[i] for i in ids),
    )
    return rows, ids.tolist()


def small():
    shape = ModelConfig(
        n_layers=1, d_model=16, n_heads=2, context_length=8, vocab_size=len(BYTES_BY_ID)
    )
    model = Transformer(shape, seed=1, compute_dtype=torch.float32)
    with torch.no_grad():
        model.embedding.weight.mul_(20)  # so that predictions differ
    return model


def naive_nats(model, ids, context_length=8):
    """One row at a time, in float64, straight from the definition."""
    total = 0.0
    before = [END, *ids]
    for start in range(0, len(ids), context_length):
        row = before[start : start + context_length + 1]
        with torch.no_grad():
            logits = model(torch.tensor([row[:-1]]))[0].double()
        for position, target in enumerate(row[1:]):
            total -= float(logits[position, target] - logits[position].exp().sum().log())
    return total


@pytest.mark.parametrize("n_tokens", [1, 8, 31, 40])
@pytest.mark.parametrize("batch_tokens", [1, 16, 4096])
def test_every_token_is_charged_once(n_tokens, batch_tokens):
    model = small()
    rows, ids = rows_of(n_tokens)
    found = measure(model, rows, batch_tokens=batch_tokens)
    assert found.nats == pytest.approx(naive_nats(model, ids), rel=1e-5)  # float32 logits
    assert (found.n_tokens, found.n_bytes) == (n_tokens, rows.n_bytes)


def test_the_units_are_bits_and_bytes():
    found = Compression(nats=8 * math.log(2), n_tokens=4, n_bytes=2)
    assert found.bits_per_byte == pytest.approx(4.0)
    assert found.nats_per_token == pytest.approx(2 * math.log(2))


def test_a_model_that_knows_nothing_pays_for_the_whole_vocabulary():
    model = small()
    with torch.no_grad():
        model.head.weight.zero_()
    rows, _ = rows_of(40)
    found = measure(model, rows)
    assert found.nats_per_token == pytest.approx(math.log(len(BYTES_BY_ID)), rel=1e-6)


def test_a_part_of_the_split_is_measured_with_its_own_bytes():
    model = small()
    rows, ids = rows_of(40)
    found = measure(model, rows, max_tokens=17)  # two rows of 8
    assert found.n_tokens == 16
    assert found.n_bytes == sum(BYTES_BY_ID[i] for i in ids[:16])
    assert found.nats == pytest.approx(naive_nats(model, ids[:16]), rel=1e-5)


def test_measuring_leaves_no_gradients():
    model = small()
    measure(model, rows_of(20)[0])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_broken_model_is_named_as_such():
    model = small()
    with torch.no_grad():
        model.final_norm.weight.fill_(float("nan"))
    with pytest.raises(NumericalError, match="validation tokens is nan"):
        measure(model, rows_of(20)[0])
