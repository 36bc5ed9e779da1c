import pytest
import torch
import torch.nn.functional as F
from model_cases import CASES, lively, random_ids, small_config
from reference_transformer import reference_logits

from groundup.core.errors import ShapeError
from groundup.model.cache import Cache
from groundup.model.transformer import Transformer

FLOAT32 = 2e-5  # a few hundred roundings of 6e-8 on logits up to about 10
FLOAT64 = 1e-6  # cosines and sines of rotary positions are float32 in either case
BFLOAT16 = 0.05  # of the logits' spread: a few roundings of 2^-8


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_the_slow_reference(case):
    config = small_config(**CASES[case])
    ids = random_ids(config, 2, 11)
    single = lively(config)
    double = lively(config).double()
    double.compute_dtype = torch.float64
    weights = {name: value.numpy() for name, value in single.state_dict().items()}
    for row in ids:
        expected = torch.from_numpy(reference_logits(weights, config, row.tolist()))
        for model, tolerance in ((double, FLOAT64), (single, FLOAT32)):
            logits = model(row[None])[0].double()
            torch.testing.assert_close(logits, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_bfloat16_products_stay_near_the_reference(case):
    config = small_config(**CASES[case])
    model = lively(config)
    ids = random_ids(config, 2, 24)
    expected = model(ids)
    model.compute_dtype = torch.bfloat16
    logits = model(ids)
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - expected).std() < BFLOAT16 * expected.std()


@pytest.mark.parametrize("case", CASES)
def test_a_later_token_never_changes_earlier_logits(case):
    config = small_config(**CASES[case])
    ids = random_ids(config, 1, 20)
    changed = ids.clone()
    changed[0, 12] = (ids[0, 12] + 1) % config.vocab_size
    for dtype in (torch.float32, torch.bfloat16):
        model = lively(config)
        model.compute_dtype = dtype
        before, after = model(ids), model(changed)
        torch.testing.assert_close(before[:, :12], after[:, :12], rtol=0, atol=0)
        assert not torch.equal(before[:, 12:], after[:, 12:])


@pytest.mark.parametrize("case", CASES)
def test_cached_steps_equal_one_pass(case):
    config = small_config(**CASES[case])
    model = lively(config).eval()
    ids = random_ids(config, 3, 24)
    with torch.no_grad():
        expected = model(ids)
        cache = Cache.of(model, batch=3, max_len=24)
        parts = [model(ids[:, a:b], cache=cache) for a, b in ((0, 7), (7, 8), (8, 9), (9, 24))]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=FLOAT32, atol=FLOAT32)
    assert cache.length == 24


def test_rows_padded_on_the_left_equal_rows_alone():
    for case in CASES:
        config = small_config(**CASES[case])
        model = lively(config).eval()
        lengths = [4, 9, 1]
        alone = [random_ids(config, 1, n, seed=n) for n in lengths]
        padded = torch.zeros(3, 9, dtype=torch.int64)
        for row, ids in zip(padded, alone, strict=True):
            row[9 - ids.shape[1] :] = ids
        cache = Cache.of(model, batch=3, max_len=12)
        cache.pad_left(torch.tensor([9 - n for n in lengths]))
        more = random_ids(config, 3, 2, seed=77)
        with torch.no_grad():
            model(padded, cache=cache)
            together = model(more, cache=cache)
            for row, ids in enumerate(alone):
                expected = model(torch.cat([ids, more[row : row + 1]], dim=1))[:, -2:]
                torch.testing.assert_close(
                    together[row : row + 1], expected, rtol=FLOAT32, atol=FLOAT32
                )


def test_grouped_heads_equal_repeated_heads():
    grouped = lively(small_config(n_kv_heads=2, position="rope"))
    full = lively(small_config(position="rope"))
    weights = grouped.state_dict()
    for name in [n for n in weights if ".key." in n or ".value." in n]:
        heads = weights[name].unflatten(0, (2, 4))
        weights[name] = heads.repeat_interleave(2, dim=0).flatten(0, 1)
    full.load_state_dict(weights)
    ids = random_ids(grouped.config, 2, 24)
    torch.testing.assert_close(grouped(ids), full(ids), rtol=FLOAT32, atol=FLOAT32)


def test_tied_weights_share_storage_and_untied_do_not():
    tied, untied = (Transformer(small_config(tied=tied)) for tied in (True, False))
    assert tied.head.weight is tied.embedding.weight
    assert untied.head.weight.data_ptr() != untied.embedding.weight.data_ptr()
    assert "head.weight" not in dict(tied.named_parameters())


def test_equal_seeds_give_equal_weights_and_others_do_not():
    one, same, other = (Transformer(small_config(), seed=seed) for seed in (1, 1, 2))
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.embedding.weight, other.embedding.weight)


@pytest.mark.parametrize("case", CASES)
def test_every_gradient_is_the_finite_difference(case):
    config = small_config(**CASES[case], vocab_size=11)
    model = lively(config, dtype=torch.float64)
    ids = random_ids(config, 2, 6)
    targets = random_ids(config, 2, 6, seed=6)
    targets[0, :2] = -100
    model.loss(ids, targets).backward()
    stream = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=stream, dtype=torch.float64)
        slope = (parameter.grad * direction).sum()
        step = 1e-5
        with torch.no_grad():
            parameter += step * direction
            above = model.loss(ids, targets)
            parameter -= 2 * step * direction
            below = model.loss(ids, targets)
            parameter += step * direction
        # Central differences are right to step^2 times the third derivative.
        torch.testing.assert_close(
            (above - below) / (2 * step), slope, rtol=1e-5, atol=1e-7, msg=lambda m, n=name: n + m
        )


def test_loss_is_the_weighted_mean_of_cross_entropy():
    config = small_config()
    model = lively(config)
    ids, targets = random_ids(config, 3, 8), random_ids(config, 3, 8, seed=9)
    targets[1, 3:] = -100
    logits = model(ids).flatten(0, 1)
    torch.testing.assert_close(
        model.loss(ids, targets), F.cross_entropy(logits, targets.flatten()), rtol=1e-5, atol=1e-6
    )
    weights = torch.rand(3, 8)
    each = F.cross_entropy(logits, targets.flatten(), reduction="none").view(3, 8)
    counted = weights * (targets != -100)
    expected = (each * counted).sum() / counted.sum()
    torch.testing.assert_close(model.loss(ids, targets, weights_BT=weights), expected)


def test_loss_without_targets_is_zero_with_zero_gradients():
    model = lively(small_config())
    loss = model.loss(random_ids(model.config, 1, 4), torch.full((1, 4), -100))
    loss.backward()
    assert loss.item() == 0.0
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in model.parameters())


def test_wrong_shapes_are_refused():
    model = Transformer(small_config())
    with pytest.raises(ShapeError, match=r"\(B, T\)"):
        model(torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ShapeError, match="exceed the context of 24"):
        model(torch.zeros(1, 25, dtype=torch.int64))
    with pytest.raises(ShapeError, match="targets"):
        model.loss(torch.zeros(1, 5, dtype=torch.int64), torch.zeros(1, 4, dtype=torch.int64))
    cache = Cache.of(model, batch=1, max_len=3)
    with pytest.raises(ShapeError, match="cannot take 4"), torch.no_grad():
        model(torch.zeros(1, 4, dtype=torch.int64), cache=cache)
    with pytest.raises(ShapeError, match="cannot take 2"), torch.no_grad():
        model(torch.zeros(2, 3, dtype=torch.int64), cache=cache)


def test_steady_weights_change_nothing_and_end_with_the_last_to_leave():
    model = lively(small_config(**CASES["demo"]))
    model.compute_dtype = torch.bfloat16
    ids = random_ids(model.config, 2, 8)
    with torch.no_grad():
        expected = model(ids)
        first, second = model.steady(), model.steady()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert model.blocks[0].attention.key.cast(torch.bfloat16)[0] is not None
        assert torch.equal(model(ids), expected)
        second.__exit__(None, None, None)
        model.head.weight.mul_(2)
        assert torch.equal(model(ids), expected * 2)


def test_a_small_model_learns_a_text_by_heart():
    config = small_config(position="rope", tied=False)
    model = Transformer(config, seed=1)
    ids = random_ids(config, 2, 21)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(ids[:, :-1], ids[:, 1:]).backward()
        optimizer.step()
    with torch.no_grad():
        assert model.loss(ids[:, :-1], ids[:, 1:], exact=True) < 0.1  # at first 3.6, ln 37
        assert torch.equal(model(ids[:, :-1]).argmax(-1), ids[:, 1:])
