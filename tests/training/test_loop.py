"""The loop: accumulation equals the whole batch, bad numbers stop it, signals save first."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from groundup.core.errors import Cancelled, DeviceError, NumericalError
from groundup.core.interrupt import StopRequest
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.config import MuonConfig, SafetyConfig
from groundup.training.guard import Guard
from groundup.training.loop import accumulate, train
from groundup.training.optimizer import build, clip_gradients


def small():
    shape = ModelConfig(n_layers=1, d_model=16, n_heads=2, context_length=8, vocab_size=32)
    return Transformer(shape, compute_dtype=torch.float32)


def batch_of(step):
    return torch.randint(0, 32, (6, 9), generator=torch.Generator().manual_seed(step))


def run(
    model, loss_fn, hooks=(), *, steps=(0, 4), save=lambda step: None, request=None, interventions=0
):
    optimizer = build(model, MuonConfig())
    guard = Guard(SafetyConfig(max_interventions=interventions))
    train(
        loss_fn,
        optimizer,
        lambda step: batch_of(guard.order.batch_of(step)),
        first_step=steps[0],
        n_steps=steps[1],
        lr_factor=lambda step: 1 - step / 10,
        micro_batch_rows=4,
        clip_norm=None,
        guard=guard,
        recover=guard.skip,
        hooks=hooks,
        save=save,
        request=StopRequest() if request is None else request,
        batch_rows=6,
    )


@pytest.mark.parametrize("micro_batch_rows", [1, 4, 6, 100])
def test_micro_batches_add_up_to_the_gradient_of_the_whole_batch(micro_batch_rows):
    model, batch = small(), batch_of(0)
    whole = model.loss(batch[:, :-1], batch[:, 1:])
    whole.backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    loss = accumulate(model.loss, batch, micro_batch_rows, batch_rows=6)
    assert float(loss) == pytest.approx(float(whole.detach()), rel=1e-6)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)  # order of float32 sums


class Operations(TorchDispatchMode):
    """Collects what PyTorch is asked to do: name of the operation, number format of its result."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        first = result[0] if isinstance(result, tuple | list) and result else result
        self.seen.add((func.overloadpacket.__name__, getattr(first, "dtype", None)))
        return result


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_a_step_in_bfloat16_takes_the_fast_paths(activation):
    # Each is worth 5 to 10% of a step on a CPU: benchmarks/results/train_step.md.
    shape = ModelConfig(n_layers=1, d_model=16, n_heads=2, context_length=8, vocab_size=32,
                        activation=activation, position="rope", tied=False)  # fmt: skip
    model = Transformer(shape, compute_dtype=torch.bfloat16)
    optimizer = build(model, MuonConfig())
    batch = batch_of(0)
    with Operations() as operations:
        accumulate(model.loss, batch, 6)
        clip_gradients(optimizer.parameters(), None)
        optimizer.step()
    names = {name for name, _ in operations.seen}
    products = {"mm", "addmm", "bmm", "baddbmm"}
    in_float32 = {name for name, dtype in operations.seen if dtype == torch.float32}
    assert products <= names
    assert not products & in_float32  # every product in the fast format
    assert not {name for name in names if "scaled_dot_product" in name or "flash" in name}
    assert "_softmax" in names - in_float32  # probabilities are never kept in float32
    assert not {"_log_softmax", "nll_loss_forward"} & names
    assert "_fused_adamw_" in names


def test_steps_are_numbered_and_reported_in_order():
    model, seen = small(), []
    run(model, model.loss, [seen.append], steps=(2, 5))
    assert [step.number for step in seen] == [3, 4, 5]
    assert [step.lr_factor for step in seen] == pytest.approx([0.8, 0.7, 0.6])
    assert all(step.tokens == 48 and step.seconds > 0 and step.norm > 0 for step in seen)
    first = batch_of(2)
    expected = small().loss(first[:, :-1], first[:, 1:])
    assert float(seen[0].loss) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_weights_change(bad):
    model = small()
    calls = []

    def loss_fn(ids, targets):
        calls.append(1)
        return model.loss(ids, targets) * (bad if len(calls) > 2 else 1.0)

    after_first = []

    def keep(step):
        after_first.extend(p.detach().clone() for p in model.parameters())

    with pytest.raises(NumericalError) as caught:
        run(model, loss_fn, [keep])
    assert (caught.value.step, caught.value.quantity) == (1, "loss_nats")
    for parameter, value in zip(model.parameters(), after_first, strict=True):
        assert torch.equal(parameter, value)


def test_a_gradient_that_is_not_finite_stops_too():
    model = small()

    def loss_fn(ids, targets):  # sqrt has an infinite slope at zero, where its value is finite
        return model.loss(ids, targets) + torch.sqrt(model.final_norm.bias.sum() * 0)

    with pytest.raises(NumericalError, match=r"gradient_norm is (nan|inf) at step 0"):
        run(model, loss_fn)


def test_a_bad_batch_is_left_out_and_the_step_taken_with_the_next():
    model, seen, taken = small(), [], []

    def loss_fn(ids, targets):
        taken.append(ids)
        bad = torch.equal(ids[:1], batch_of(1)[:1, :-1])
        return model.loss(ids, targets) * (float("nan") if bad else 1.0)

    run(model, loss_fn, [seen.append], steps=(0, 3), interventions=1)
    assert [step.number for step in seen] == [1, 2, 3]
    first_rows = [ids[0] for ids in taken if len(ids) == 4]
    assert all(
        torch.equal(row, batch_of(batch)[0, :-1])
        for row, batch in zip(first_rows, (0, 1, 2, 3), strict=True)
    )
    expected = small()
    optimizer = build(expected, MuonConfig())
    for step, batch in enumerate((0, 2, 3)):
        accumulate(expected.loss, batch_of(batch), 4)
        optimizer.step(1 - step / 10)
        optimizer.zero_grad()
    for parameter, wanted in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(parameter, wanted)


def test_a_stop_request_saves_after_the_running_step_and_cancels():
    model, saved, request = small(), [], StopRequest()

    def interrupt(step):
        if step.number == 2:
            request.signal_name = "SIGTERM"

    with pytest.raises(Cancelled, match="SIGTERM"):
        run(model, model.loss, [interrupt], save=saved.append, request=request)
    assert saved == [2]


def test_too_little_memory_says_which_setting_to_lower():
    def loss_fn(ids, targets):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(DeviceError) as caught:
        accumulate(loss_fn, batch_of(0), 4, batch_rows=6)
    assert "micro_batch_tokens" in caught.value.hint
