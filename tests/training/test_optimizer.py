"""Which weight learns by which rule, and AdamW against its formula."""

import math

import pytest
import torch

from groundup.core.errors import CorruptArtifact
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.config import AdamWConfig, MuonConfig
from groundup.training.optimizer import build, clip_gradients, roles


class Saved:
    """Tensors in memory with the face of `parts.SavedTensors`."""

    def __init__(self, tensors):
        self._tensors = tensors

    def names(self):
        return list(self._tensors)

    def shape(self, name):
        return self._tensors[name].shape

    def copy(self, name, into):
        into.copy_(self._tensors[name])


def small_model(**changes):
    shape = {"n_layers": 2, "d_model": 16, "n_heads": 2, "context_length": 8, "vocab_size": 32}
    return Transformer(ModelConfig(**{**shape, "tied": False, **changes}))


def give_gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def test_every_weight_has_exactly_one_role():
    model = small_model()
    found = roles(model)
    names = [name for named in found.values() for name in named]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert set(found["embedding"]) == {"embedding.weight", "positions.weight"}
    assert set(found["head"]) == {"head.weight"}
    assert len(found["matrix"]) == 2 * 6  # query key value out up down
    assert all(weight.ndim == 1 for weight in found["scalar"].values())


def test_a_tied_table_learns_as_the_head_and_once():
    found = roles(small_model(tied=True))
    assert set(found["head"]) == {"embedding.weight"}
    assert set(found["embedding"]) == {"positions.weight"}


def test_frozen_weights_are_left_alone():
    model = small_model()
    model.embedding.weight.requires_grad_(False)
    assert "embedding.weight" not in build(model, MuonConfig()).names


def test_adamw_follows_its_formula_at_each_learning_rate():
    # Loshchilov and Hutter 2019, algorithm 2, in float64.
    model = small_model()
    config = AdamWConfig(lr=1e-2, weight_decay=0.1, clip_norm=None)
    optimizer = build(model, config)
    names = ["head.weight", "final_norm.weight", "blocks.0.attention.out.weight"]
    weights = dict(model.named_parameters())
    expected = {name: weights[name].detach().double() for name in names}
    first = {name: torch.zeros_like(value) for name, value in expected.items()}
    second = {name: torch.zeros_like(value) for name, value in expected.items()}
    for step, factor in enumerate([1.0, 0.5, 0.25], start=1):
        give_gradients(model, step)
        lr = config.lr * factor
        for name in names:
            g = weights[name].grad.double()
            first[name] = config.beta1 * first[name] + (1 - config.beta1) * g
            second[name] = config.beta2 * second[name] + (1 - config.beta2) * g * g
            m = first[name] / (1 - config.beta1**step)
            v = second[name] / (1 - config.beta2**step)
            decay = config.weight_decay if weights[name].ndim == 2 else 0.0
            expected[name] = expected[name] * (1 - lr * decay) - lr * m / (v.sqrt() + config.eps)
        optimizer.step(factor)
    for name in names:
        assert torch.allclose(weights[name].double(), expected[name], atol=1e-6)


def test_muon_recipe_moves_each_role_by_its_own_learning_rate():
    model = small_model()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    config = MuonConfig()
    optimizer = build(model, config)
    give_gradients(model, 0)
    optimizer.step(0.5)
    moved = {name: value.detach() - before[name] for name, value in model.named_parameters()}
    # AdamW's first step is lr in every entry.
    assert moved["embedding.weight"].abs().max() == pytest.approx(config.embedding_lr / 2, 1e-3)
    assert moved["head.weight"].abs().max() == pytest.approx(config.head_lr / 2, 1e-3)
    assert moved["final_norm.bias"].abs().max() == pytest.approx(config.scalar_lr / 2, 1e-3)
    length = torch.linalg.matrix_norm(moved["blocks.1.attention.query.weight"], 2)
    assert length == pytest.approx(config.matrix_lr / 2, rel=0.3)


@pytest.mark.parametrize("config", [MuonConfig(), AdamWConfig()])
def test_a_state_that_is_loaded_gives_the_same_next_step(config):
    pair = [small_model(), small_model()]
    optimizers = [build(model, config) for model in pair]
    for step in range(3):
        give_gradients(pair[0], step)
        optimizers[0].step(1.0)
    pair[1].load_state_dict(pair[0].state_dict())
    state = {name: value.clone() for name, value in optimizers[0].tensors().items()}
    optimizers[1].load(Saved(state))
    for model, optimizer in zip(pair, optimizers, strict=True):
        give_gradients(model, 9)
        optimizer.step(0.3)
    for one, other in zip(pair[0].parameters(), pair[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_state_of_another_model_is_refused():
    optimizer = build(small_model(), MuonConfig())
    with pytest.raises(CorruptArtifact, match="fits no weight"):
        optimizer.load(Saved({"blocks.7.attention.out.weight:momentum_buffer": torch.ones(2, 2)}))
    with pytest.raises(CorruptArtifact, match="fits no weight"):
        optimizer.load(Saved({"head.weight:exp_avg": torch.ones(3, 3)}))


def test_zero_grad_forgets_gradients():
    model = small_model()
    optimizer = build(model, MuonConfig())
    give_gradients(model, 0)
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("max_norm", [None, 1.0, 1e9])
def test_clipping_scales_the_whole_gradient(max_norm):
    model = small_model()
    give_gradients(model, 3)
    before = [parameter.grad.clone() for parameter in model.parameters()]
    length = math.sqrt(sum(float(g.double().square().sum()) for g in before))
    norm = clip_gradients(list(model.parameters()), max_norm)
    assert float(norm) == pytest.approx(length, rel=1e-5)
    factor = 1.0 if max_norm is None else min(1.0, max_norm / length)
    for g, parameter in zip(before, model.parameters(), strict=True):
        assert torch.allclose(parameter.grad, g * factor, rtol=1e-4, atol=1e-7)
