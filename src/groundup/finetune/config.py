"""Settings of supervised fine-tuning and of reinforcement learning."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from groundup.core.config import INPUT, VOLATILE, StageConfig
from groundup.training.config import MuonConfig, OptimizerConfig, ScheduleConfig

__all__ = ["GrpoConfig", "SftConfig"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]

LINEAR_TO_ZERO = ScheduleConfig(kind="wsd", warmup_steps=0, flat_fraction=0.0, final_fraction=0.0)


class SftConfig(StageConfig, frozen=True):
    """Teaches a model to answer: the loss is taken on answers and on the token that ends them."""

    model: Annotated[str, INPUT]
    """Recipe or run directory of the model to start from."""
    examples: Annotated[str, INPUT]
    """Recipe or run directory of the `instruct` stage."""
    tasks: tuple[str, ...] | None = None
    """Tasks to learn; unset: all in the training file."""
    seed: int = 1
    """Root of all randomness: the order of examples."""
    epochs: Positive = 1.0
    """How often each example is seen; a part of an epoch is allowed."""
    batch_examples: Count = 64
    """Examples of one optimizer step; those of about one length go together."""
    micro_batch_tokens: Count = 16_384
    """Tokens in memory at once, padding included; gradients of a step's pieces add up."""
    max_too_long_fraction: Fraction = 0.05
    """Examples longer than the model's context are left out and counted; above this share of all
    examples the stage stops instead."""
    optimizer: OptimizerConfig = MuonConfig()
    """How gradients change weights; its learning rates are those of pretraining."""
    lr_scale: Positive = 0.5
    """Factor on all learning rates of `optimizer`."""
    schedule: ScheduleConfig = LINEAR_TO_ZERO
    """How the learning rate moves."""
    evaluation_every_steps: Count = 100
    """Steps between measurements of the validation loss; the end is always measured."""
    evaluation_examples: Count = 512
    """Most validation examples in one measurement."""
    sample_questions: Annotated[int, Field(ge=0)] = 12
    """Validation questions answered at the end, for people to read."""
    device: Annotated[Literal["auto", "cpu", "cuda"], VOLATILE] = "auto"
    """Where to compute; auto takes a GPU when there is one."""
    checkpoint_every_s: Annotated[float, VOLATILE, Field(gt=0)] = 30.0
    """Seconds between checkpoints: what a crash can cost."""
    log_every_steps: Annotated[int, VOLATILE, Field(ge=1)] = 10
    """Steps between lines of metrics.jsonl."""


class GrpoConfig(StageConfig, frozen=True):
    """Lets a model answer, and makes answers likelier that earn more than their siblings."""

    model: Annotated[str, INPUT]
    """Recipe or run directory of the model to start from, as a rule an `sft` run."""
    examples: Annotated[str, INPUT]
    """Recipe or run directory of the `instruct` stage; references mark the answers, and are never
    shown to the model."""
    tasks: dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Task to its weight in drawing prompts; unset: all tasks in the training file, weighted by
    their number of examples."""
    seed: int = 1
    """Root of all randomness: choice of prompts, sampling of answers."""
    steps: Count = 60
    """Optimizer steps."""
    prompts_per_step: Count = 24
    """Prompts of one step."""
    completions: Annotated[int, Field(ge=2)] = 8
    """Answers sampled for each prompt; each is judged against the mean of its siblings."""
    max_new_tokens: Count = 48
    """Most tokens of one answer; an answer that has not ended by then earns nothing."""
    temperature: Positive = 1.0
    """Temperature of sampling; 1 samples from the model as it is."""
    updates_per_step: Count = 1
    """Optimizer updates for one set of answers; with 1 the answers are always the policy's own."""
    clip_low: Fraction = 0.2
    """How far a token's probability ratio may fall below 1 before its gradient is cut off
    (Schulman et al. 2017, arXiv 1707.06347, eq. 7); acts from the second update on."""
    clip_high: Positive = 0.28
    """How far it may rise above 1 (DAPO, arXiv 2503.14476, section 3.1)."""
    kl_coefficient: Annotated[float, Field(gt=0)] | None = None
    """Weight of the penalty for leaving the model started from; unset is off (as in DAPO)."""
    optimizer: OptimizerConfig = MuonConfig()
    """How gradients change weights; its learning rates are those of pretraining."""
    lr_scale: Positive = 0.25
    """Factor on all learning rates of `optimizer`."""
    schedule: ScheduleConfig = LINEAR_TO_ZERO
    """How the learning rate moves."""
    micro_batch_tokens: Count = 16_384
    """Tokens in memory at once, padding included; gradients of a step's pieces add up."""
    max_too_long_fraction: Fraction = 0.05
    """Prompts that leave no room for an answer in the model's context are left out and counted;
    above this share of all prompts the stage stops instead."""
    kl_every_steps: Count | None = 10
    """Steps between measurements of the distance from the model started from; unset is off."""
    sample_questions: Annotated[int, Field(ge=0)] = 12
    """Validation questions answered at the end, for people to read."""
    device: Annotated[Literal["auto", "cpu", "cuda"], VOLATILE] = "auto"
    """Where to compute; auto takes a GPU when there is one."""
    checkpoint_every_s: Annotated[float, VOLATILE, Field(gt=0)] = 30.0
    """Seconds between checkpoints: what a crash can cost."""

    @field_validator("tasks")
    @classmethod
    def _some_task(cls, tasks: dict[str, float] | None) -> dict[str, float] | None:
        if tasks is not None and not tasks:
            raise ValueError("tasks is empty; leave it out to take all")
        return tasks
