import pytest
import torch
from model_cases import lively, random_ids, small_config

from groundup.core.errors import ShapeError
from groundup.model.cache import HIDDEN, Cache


@pytest.fixture
def model():
    return lively(small_config(position="rope", context_length=100)).eval()


@torch.no_grad()
def test_kept_and_repeated_rows_go_on_as_if_alone(model):
    ids = random_ids(model.config, 3, 40)
    cache = Cache.of(model, batch=3, max_len=60)
    model(ids[:, :30], cache=cache)
    cache.keep(torch.tensor([2, 0, 2]))
    logits = model(ids[[2, 0, 2], 30:], cache=cache)
    torch.testing.assert_close(logits, model(ids)[[2, 0, 2], 30:], rtol=1e-5, atol=2e-5)


@torch.no_grad()
def test_moved_rows_go_on_as_if_alone(model):
    lengths = [30, 12, 25, 7, 30]
    ids = random_ids(model.config, 5, 30)
    for row, n in enumerate(lengths):
        ids[row, : 30 - n] = 0
    cache = Cache.of(model, batch=5, max_len=40)
    cache.pad_left(torch.tensor([30 - n for n in lengths]))
    model(ids, cache=cache)
    assert cache.longest == 30
    # Rows 0, 2 and 4 end; 3 takes the place of 0.
    cache.move(torch.tensor([3]), torch.tensor([0]), 2)
    assert (cache.batch, cache.longest) == (2, 12)
    more = random_ids(model.config, 2, 3, seed=8)
    logits = model(more, cache=cache)
    for row, (old, n) in enumerate(((3, 7), (1, 12))):
        alone = model(torch.cat([ids[old, 30 - n :], more[row]])[None])[0, -3:]
        torch.testing.assert_close(logits[row], alone, rtol=1e-5, atol=2e-5)


def test_a_short_row_may_go_on_past_the_slot_of_the_context(model):
    cache = Cache.of(model, batch=1, max_len=150)
    cache.pad_left(torch.tensor([90]))
    with torch.no_grad():
        model(torch.zeros(1, 95, dtype=torch.int64), cache=cache)
        model(torch.zeros(1, 20, dtype=torch.int64), cache=cache)
        with pytest.raises(ShapeError, match="120 tokens exceed the context of 100"):
            model(torch.zeros(1, 95, dtype=torch.int64), cache=cache)


def test_new_tokens_see_their_past_and_no_padding(model):
    cache = Cache.of(model, batch=2, max_len=5)
    cache.pad_left(torch.tensor([0, 2]))
    bias = cache.reserve(3)
    assert bias.shape == (2, 1, 3, 5)
    assert set(bias.unique().tolist()) == {0.0, torch.tensor(HIDDEN).item()}
    assert (bias[0, 0] == 0).int().tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]
    assert (bias[1, 0] == 0).int().tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]]
    assert cache.positions(3).tolist() == [[0, 1, 2], [0, 0, 0]]


def test_an_overfull_cache_is_refused(model):
    cache = Cache.of(model, batch=2, max_len=5)
    with pytest.raises(ShapeError, match="5 tokens cannot take 6"):
        cache.reserve(6)
