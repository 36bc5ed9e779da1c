import json

import pytest
import torch

from groundup.core.errors import ConfigError, CorruptArtifact, DataError, NumericalError
from groundup.core.records import Example, Message
from groundup.finetune import sft
from groundup.finetune.config import SftConfig
from groundup.finetune.data import encode, pad
from groundup.finetune.session import series
from groundup.generate.load import open_model


@pytest.fixture
def examples(question, make_examples):
    train = [question(i, "yes" if i % 2 else "no") for i in range(60)]
    validation = [question(100 + i, "yes" if i % 2 else "no") for i in range(10)]
    heldout = [question(200, "yes", prompt="q3?")]
    return make_examples(train, validation, heldout)


def config(**changes):
    values = {
        "model": "base",
        "examples": "examples",
        "epochs": 40.0,
        "batch_examples": 20,
        "lr_scale": 1.0,
        "evaluation_every_steps": 40,
        "checkpoint_every_s": 1000.0,
        "log_every_steps": 5,
    }
    return SftConfig(**{**values, **changes})


def test_tuning_teaches_the_answers_and_to_stop(base_model, examples, new_run):
    out = new_run("sft")
    sft.run(config(), {"model": base_model, "examples": examples}, out)
    losses = series(out, "validation/loss_nats")
    # A uniform model starts near ln 260 = 5.6; yes or no then costs one bit in some four tokens.
    assert losses[0] > 4.0
    assert losses[-1] < 0.6
    answers = [json.loads(x) for x in (out.path / "samples.jsonl").read_text().splitlines()]
    assert len(answers) == 10
    assert all(a["stopped"] and a["answer"] in ("yes", "no") for a in answers)
    health = json.loads((out.path / "health.json").read_text())
    assert {finding["name"]: finding["good"] for finding in health} == {
        "learned": True,
        "overfit": True,
        "stops": True,
    }
    assert out.summary["examples"] == 59  # one was asked in the examination
    assert out.summary["leaked"] == 1


def test_the_result_opens_as_a_model_and_leaves_no_checkpoint(base_model, examples, new_run):
    out = new_run("sft")
    sft.run(config(epochs=0.1), {"model": base_model, "examples": examples}, out)
    assert not (out.path / "checkpoints").exists()
    finished = out.complete()
    names = {path.name for path in (finished.path / "model").iterdir()}
    assert names == {"model.safetensors", "config.json", "tokenizer.json", "chat.json"}
    assert open_model(finished, device="cpu").context_length == 48


def test_a_finished_run_is_not_trained_again(base_model, examples, new_run):
    out = new_run("sft")
    inputs = {"model": base_model, "examples": examples}
    sft.run(config(epochs=0.1), inputs, out)
    before, summary = (out.path / "metrics.jsonl").read_text(), dict(out.summary)
    out.summary.clear()
    sft.run(config(epochs=0.1), inputs, out)
    assert (out.path / "metrics.jsonl").read_text() == before
    assert out.summary == summary


def test_pieces_of_a_step_add_up_to_the_step(question, tokenizer, tiny_model):
    rows, _ = encode(
        tokenizer, [question(i, "x" * (1 + 5 * i)) for i in range(3)], context_length=48
    )
    whole = pad(rows, fill=0)
    total = whole.trained_tokens
    tiny_model._compute_dtype = torch.float32

    def gradient(batches):
        tiny_model.zero_grad()
        losses = []
        for batch in batches:
            tensors = torch.from_numpy(batch.ids), torch.from_numpy(batch.targets)
            loss = sft.sft_loss(tiny_model, *tensors, trained_tokens=total)
            loss.backward()
            losses.append(float(loss.detach()))
        return sum(losses), tiny_model.head.weight.grad.clone()

    loss, grad = gradient([whole])
    loss_apart, grad_apart = gradient([pad([row], fill=0) for row in rows])
    assert loss_apart == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(grad_apart, grad, atol=1e-6, rtol=1e-4)
    reference = tiny_model.loss(torch.from_numpy(whole.ids), torch.from_numpy(whole.targets))
    assert loss == pytest.approx(float(reference.detach()), rel=1e-5)  # the model's own mean loss


def test_a_flipped_bit_in_a_checkpoint_is_found(base_model, examples, new_run, monkeypatch):
    out = new_run("sft")
    inputs = {"model": base_model, "examples": examples}
    monkeypatch.setattr(sft, "publish_model", _crash)
    with pytest.raises(KeyboardInterrupt):
        sft.run(config(epochs=0.1), inputs, out)
    monkeypatch.undo()
    weights = next((out.path / "checkpoints").iterdir()) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"model\.safetensors") as error:
        sft.run(config(epochs=0.1), inputs, out)
    assert "rm -r" in error.value.hint


def _crash(*_arguments):
    raise KeyboardInterrupt


def test_a_loss_that_is_not_finite_stops_the_run(base_model, examples, new_run):
    adamw = {"kind": "adamw", "lr": 1e30, "clip_norm": None}
    wrong = SftConfig.model_validate({**config().model_dump(), "optimizer": adamw})
    with pytest.raises(NumericalError, match="step") as error:
        sft.run(wrong, {"model": base_model, "examples": examples}, new_run("sft"))
    assert error.value.step >= 1


def test_a_task_without_examples_is_named(base_model, examples, new_run):
    with pytest.raises(ConfigError, match="'sing'"):
        sft.run(
            config(tasks=("sing",)), {"model": base_model, "examples": examples}, new_run("sft")
        )


def test_a_template_that_never_ends_is_refused(base_model, examples, new_run, monkeypatch):
    from groundup.tokens import chat

    whole = chat.render_example

    def endless(*arguments):
        rendered = whole(*arguments)
        return chat.Rendered(ids=rendered.ids[:-1], trained=rendered.trained[:-1])

    monkeypatch.setattr(chat, "render_example", endless)
    with pytest.raises(DataError, match="end token"):
        sft.run(config(), {"model": base_model, "examples": examples}, new_run("sft"))


def test_long_examples_are_counted_and_too_many_refused(
    base_model, question, make_examples, new_run
):
    long = Example("long", "say", (Message("user", "why? " * 20),), "no", grader="exact")
    artifact = make_examples([long, *(question(i, "yes") for i in range(39))])
    inputs = {"model": base_model, "examples": artifact}
    out = new_run("sft")
    sft.run(config(epochs=0.1, max_too_long_fraction=0.03), inputs, out)
    assert (out.summary["too_long"], out.summary["examples"]) == (1, 39)
    with pytest.raises(DataError, match="1 of 40"):
        sft.run(config(epochs=0.1, max_too_long_fraction=0.02), inputs, new_run("other"))
