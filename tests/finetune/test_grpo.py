import json

import pytest

from groundup.core.errors import DataError
from groundup.finetune import grpo
from groundup.finetune.config import GrpoConfig
from groundup.finetune.session import series
from groundup.generate.load import open_model


def config(**changes):
    values = {
        "model": "tuned",
        "examples": "examples",
        "steps": 20,
        "prompts_per_step": 6,
        "completions": 8,
        "max_new_tokens": 8,
        "lr_scale": 1.0,
        "kl_every_steps": 4,
    }
    return GrpoConfig(**{**values, **changes})


@pytest.fixture
def only_blue(question, make_examples):
    train = [question(300 + i, "blue") for i in range(20)]
    return make_examples(train, [question(400 + i, "blue") for i in range(4)], name="blue")


def test_reward_alone_teaches_which_answer_is_wanted(tuned, only_blue, new_run):
    out = new_run("rl", "grpo")
    grpo.run(config(), {"model": tuned, "examples": only_blue}, out)
    rewards = series(out, "rl/reward")
    assert len(rewards) == 20
    assert rewards[0] < 0.6  # about a third by chance
    assert rewards[-1] > 0.9
    answers = [json.loads(x) for x in (out.path / "samples.jsonl").read_text().splitlines()]
    assert [a["answer"] for a in answers] == ["blue"] * 4
    health = {f["name"]: f for f in json.loads((out.path / "health.json").read_text())}
    assert health["reward"]["good"]
    assert health["stops"]["good"]
    assert "distance" in health
    assert len(series(out, "rl/kl_nats")) <= 5
    assert open_model(out.complete(), device="cpu").model.config.d_model == 32


def test_answers_that_all_earn_alike_leave_the_weights_alone(
    tuned, question, make_examples, new_run
):
    never = make_examples([question(1, "mauve")], name="never")
    out = new_run("rl", "grpo")
    grpo.run(config(steps=2, kl_every_steps=None), {"model": tuned, "examples": never}, out)
    assert series(out, "rl/no_signal_fraction") == [1.0, 1.0]
    before, after = (
        (run / "model" / "model.safetensors").read_bytes() for run in (tuned.path, out.path)
    )
    assert before == after
    assert not {f["name"]: f["good"] for f in json.loads((out.path / "health.json").read_text())}[
        "signal"
    ]


def test_a_strong_penalty_keeps_the_model_near_its_start(tuned, only_blue, new_run):
    distances = []
    for name, coefficient in [("free", None), ("held", 30.0)]:
        out = new_run(name, "grpo")
        settings = config(steps=10, kl_coefficient=coefficient, kl_every_steps=1, lr_scale=0.1)
        grpo.run(settings, {"model": tuned, "examples": only_blue}, out)
        distances.append(max(series(out, "rl/kl_nats")))
    assert distances[1] < 0.5 * distances[0]


def test_several_updates_of_one_set_of_answers_learn_too(tuned, only_blue, new_run):
    out = new_run("rl", "grpo")
    settings = config(steps=6, updates_per_step=2, micro_batch_tokens=200)
    grpo.run(settings, {"model": tuned, "examples": only_blue}, out)
    rewards = series(out, "rl/reward")
    assert rewards[-1] > rewards[0] + 0.2


def test_prompts_without_room_for_an_answer_are_refused(tuned, only_blue, new_run):
    with pytest.raises(DataError, match="20 of 20"):
        grpo.run(config(max_new_tokens=46), {"model": tuned, "examples": only_blue}, new_run("rl"))
