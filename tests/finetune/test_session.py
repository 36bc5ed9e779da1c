import pytest
import torch

from groundup.core.errors import DeviceError, NumericalError
from groundup.finetune.session import finish_once, series, train, update
from groundup.training.config import AdamWConfig
from groundup.training.optimizer import build


@pytest.fixture
def optimizer(tiny_model):
    return build(tiny_model, AdamWConfig())


def test_an_infinite_loss_leaves_the_weights_alone(tiny_model, optimizer):
    before = tiny_model.head.weight.detach().clone()
    tiny_model.head.weight.sum().backward()
    with pytest.raises(NumericalError, match="loss_nats is inf at step 7"):
        update(torch.tensor(torch.inf), optimizer, step=7, lr_factor=1.0, clip_norm=None)
    assert torch.equal(tiny_model.head.weight, before)


def test_an_update_moves_weights_and_forgets_gradients(tiny_model, optimizer):
    before = tiny_model.head.weight.detach().clone()
    loss = tiny_model.head.weight.sum()
    loss.backward()
    norm = update(loss.detach(), optimizer, step=0, lr_factor=1.0, clip_norm=1.0)
    assert norm == pytest.approx(tiny_model.head.weight.numel() ** 0.5, rel=1e-4)
    assert not torch.equal(tiny_model.head.weight, before)
    assert tiny_model.head.weight.grad is None


def test_work_is_done_once_and_its_summary_kept(new_run):
    out, calls = new_run("sft"), []

    def work():
        calls.append(1)
        return {"steps": 3}

    finish_once(out, work)
    out.summary.clear()
    finish_once(out, work)
    assert (len(calls), out.summary) == (1, {"steps": 3})


def test_a_step_measured_twice_counts_once(new_run):
    out = new_run("sft")
    for step, value in [(1, 0.5), (2, 0.4), (2, 0.4), (3, 0.3)]:
        out.metrics.log(step, rl__reward=value)
    assert series(out, "rl/reward") == [0.5, 0.4, 0.3]
    assert series(out, "other") == []


def test_a_full_device_says_what_to_lower(new_run, tiny_model, optimizer):
    def one_step(step):
        raise torch.OutOfMemoryError("full")

    with pytest.raises(DeviceError) as error:
        train(
            new_run("sft"),
            tiny_model,
            optimizer,
            one_step,
            total=1,
            label="x",
            checkpoint_every_s=1.0,
        )
    assert "micro_batch_tokens" in error.value.hint
