"""Settings of the evaluation stage."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from groundup.core.config import INPUT, VOLATILE, StageConfig

__all__ = ["ROLES", "EvaluateConfig"]

ROLES = ("foundation", "sft", "rl")
"""What a model can be, in the order in which they are made; each is compared with the one before.
"""


class EvaluateConfig(StageConfig, frozen=True):
    """Asks models the same held-out questions and compares their answers."""

    models: Annotated[dict[str, str], INPUT]
    """Role (foundation, sft, rl) to recipe or run directory; at least one."""
    examples: Annotated[str, INPUT]
    """Recipe or run directory of the `instruct` stage; its held-out questions are asked."""
    tokens: Annotated[str, INPUT] = ""
    """Recipe or run directory of the `tokens` stage: adds bits per byte on its validation text."""
    tasks: tuple[str, ...] | None = None
    """Tasks to ask; unset: all that have held-out questions."""
    rule_task: str | None = "must"
    """The task whose rule only RL was rewarded for; reported apart from the plain tasks."""
    questions_per_task: Annotated[int, Field(ge=1)] = 200
    """Most questions of one task, drawn by `seed`."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    """Most tokens of one answer; an answer that has not ended by then earns no reward."""
    replicates: Annotated[int, Field(ge=100)] = 10_000
    """Resamples behind every interval."""
    seed: int = 1
    """Root of all randomness: choice of questions, resampling."""
    device: Annotated[Literal["auto", "cpu", "cuda"], VOLATILE] = "auto"
    """Where to compute; auto takes a GPU when there is one."""

    @field_validator("models")
    @classmethod
    def _known_roles(cls, models: dict[str, str]) -> dict[str, str]:
        wrong = sorted(set(models) - set(ROLES))
        if wrong or not models:
            raise ValueError(f"roles are {', '.join(ROLES)}; not {', '.join(wrong) or 'none'}")
        return models

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles to examine, in the order of `ROLES`."""
        return tuple(role for role in ROLES if role in self.models)
