"""One step's answers: draws prompts, samples answers, pays rewards. Pure in (seed, step, weights).

Letters: P prompt, G completion of one prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundup.core import seeds
from groundup.core.records import Example
from groundup.evaluate.answers import has_stopped
from groundup.evaluate.grade import Grade, grade
from groundup.finetune.data import Row
from groundup.finetune.policy_gradient import advantages, has_signal
from groundup.generate.engine import Completion, Engine
from groundup.generate.sampling import SamplingParams
from groundup.tokens import chat

__all__ = ["Prompts", "Rollout", "sample"]


class Prompts:
    """The prompts that may be drawn, by task.

    Args:
        examples: All of them.
        weights: Task to its weight in the draw; None weighs tasks by their number of examples.
        seed: Root of the draws.
    """

    def __init__(
        self, examples: Sequence[Example], *, weights: Mapping[str, float] | None, seed: int
    ) -> None:
        self._by_task: dict[str, list[Example]] = {}
        for example in examples:
            self._by_task.setdefault(example.task, []).append(example)
        self._tasks = sorted(self._by_task)
        shares = np.asarray(
            [len(self._by_task[t]) if weights is None else weights[t] for t in self._tasks],
            dtype=np.float64,
        )
        self._shares = shares / shares.sum()
        self._seed = seed

    def draw(self, step: int, count: int) -> list[Example]:
        """`count` prompts for a step; within it none comes twice while there are others."""
        generator = seeds.generator(self._seed, f"grpo/prompts/{step}")
        drawn: list[Example] = []
        for task, wanted in zip(
            self._tasks, generator.multinomial(count, self._shares), strict=True
        ):
            there = self._by_task[task]
            picks = generator.choice(len(there), size=wanted, replace=wanted > len(there))
            drawn.extend(there[index] for index in picks)
        return drawn


@dataclass(frozen=True, slots=True)
class Rollout:
    """Sampled answers with what they earned.

    Attributes:
        examples: The prompts, P of them.
        completions: Answers, P times G, those of one prompt together.
        grades: Their marks, in the same order.
        rewards: Their rewards, (P, G).
        rows: Answers worth learning from, as token rows whose answers count.
        advantages: Beside each row.
    """

    examples: list[Example]
    completions: list[Completion]
    grades: list[Grade]
    rewards: Tensor
    rows: list[Row]
    advantages: list[float]

    @property
    def no_signal_fraction(self) -> float:
        """Share of prompts whose answers all earned the same."""
        return 1.0 - float(has_signal(self.rewards).double().mean())

    @property
    def stop_fraction(self) -> float:
        """Share of answers that ended by themselves."""
        return float(np.mean([has_stopped(completion) for completion in self.completions]))

    @property
    def answer_tokens(self) -> float:
        """Mean tokens of an answer."""
        return float(np.mean([len(completion.ids) for completion in self.completions]))

    @property
    def entropy_nats(self) -> float:
        """Mean surprise of a sampled token: at temperature 1, an estimate of the entropy."""
        logp = [value for completion in self.completions for value in completion.logprobs or ()]
        return -float(np.mean(logp))

    def reward_by_task(self) -> dict[str, float]:
        """Mean reward of each task that was drawn."""
        found: dict[str, list[float]] = {}
        for example, reward in zip(self.examples, self.rewards.mean(dim=1).tolist(), strict=True):
            found.setdefault(example.task, []).append(reward)
        return {task: sum(values) / len(values) for task, values in sorted(found.items())}


def sample(
    engine: Engine,
    examples: Sequence[Example],
    *,
    completions: int,
    params: SamplingParams,
    seed: int,
    step: int,
) -> Rollout:
    """Samples `completions` answers to each prompt and marks them; `params` asks for logprobs."""
    prompts = [chat.prompt_ids(engine.tokenizer, example.messages) for example in examples]
    repeated = [prompt for prompt in prompts for _ in range(completions)]
    answers = engine.generate(
        repeated,
        params,
        seeds=[seeds.derive(seed, f"grpo/sample/{step}/{i}") for i in range(len(repeated))],
    )
    askers = [example for example in examples for _ in range(completions)]
    grades = [
        grade(answer.text, example.answer, grader=example.grader, stopped=has_stopped(answer))
        for example, answer in zip(askers, answers, strict=True)
    ]
    rewards_PG = torch.tensor([g.reward for g in grades], dtype=torch.float64).view(-1, completions)
    return Rollout(
        list(examples),
        answers,
        grades,
        rewards_PG,
        *_worth_learning(repeated, answers, askers, rewards_PG),
    )


def _worth_learning(
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Completion],
    askers: Sequence[Example],
    rewards_PG: Tensor,
) -> tuple[list[Row], list[float]]:
    """Rows of prompts that teach something, with their advantages."""
    signal = has_signal(rewards_PG)[:, None].expand_as(rewards_PG).flatten().tolist()
    advantage = advantages(rewards_PG).flatten().tolist()
    rows, kept = [], []
    for index, answer in enumerate(answers):
        if not signal[index] or not answer.ids:
            continue
        prompt = prompts[index]
        ids = np.asarray([*prompt, *answer.ids], dtype=np.int64)
        rows.append(Row(askers[index], ids, np.arange(len(ids)) >= len(prompt)))
        kept.append(advantage[index])
    return rows, kept
