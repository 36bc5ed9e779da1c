import numpy as np
import pytest
import torch

from groundup.finetune.rollout import Prompts, sample
from groundup.generate.engine import Engine
from groundup.generate.sampling import SamplingParams


@pytest.fixture
def examples(question):
    return [question(i, "x", task="a") for i in range(50)] + [
        question(i, "y", task="b") for i in range(10)
    ]


def test_tasks_are_drawn_by_their_weights(examples):
    prompts = Prompts(examples, weights={"a": 1.0, "b": 3.0}, seed=1)
    tasks = [example.task for step in range(200) for example in prompts.draw(step, 8)]
    # 1600 draws: three standard deviations are 0.032.
    assert np.mean([task == "b" for task in tasks]) == pytest.approx(0.75, abs=0.033)


def test_without_weights_tasks_count_by_their_examples(examples):
    prompts = Prompts(examples, weights=None, seed=1)
    tasks = [example.task for step in range(200) for example in prompts.draw(step, 8)]
    assert np.mean([task == "a" for task in tasks]) == pytest.approx(50 / 60, abs=0.03)


def test_a_draw_depends_on_seed_and_step_and_not_on_the_order_of_weights(examples):
    one = Prompts(examples, weights={"a": 1.0, "b": 3.0}, seed=1)
    other = Prompts(examples, weights={"b": 3.0, "a": 1.0}, seed=1)
    assert one.draw(7, 8) == other.draw(7, 8)
    assert one.draw(7, 8) != one.draw(8, 8)


def test_no_prompt_comes_twice_in_a_step_while_there_are_others(examples):
    prompts = Prompts(examples, weights={"a": 1.0, "b": 1.0}, seed=1)
    for step in range(20):
        ids = [example.id for example in prompts.draw(step, 9)]
        assert len(set(ids)) == 9
    assert len(prompts.draw(0, 100)) == 100


def test_a_rollout_is_graded_and_repeatable(examples, tiny_model, tokenizer):
    def roll():
        return sample(
            Engine(tiny_model, tokenizer),
            examples[:3],
            completions=4,
            params=SamplingParams(max_new_tokens=5, logprobs=True),
            seed=1,
            step=2,
        )

    one, other = roll(), roll()
    assert [c.ids for c in one.completions] == [c.ids for c in other.completions]
    assert len({tuple(c.ids) for c in one.completions}) > 1
    assert one.rewards.shape == (3, 4)
    assert torch.equal(one.rewards.flatten(), torch.tensor([g.reward for g in one.grades]).double())
    assert one.answer_tokens <= 5
    assert one.entropy_nats > 3.0  # a random model is nearly uniform over 260 ids: ln 260 = 5.56
