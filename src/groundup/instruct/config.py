"""What the instruct stage can be told."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import INPUT, Config, StageConfig

__all__ = ["InstructConfig", "TaskCounts"]

Fraction = Annotated[float, Field(ge=0, le=0.5)]
Count = Annotated[int, Field(ge=0)]


class TaskCounts(Config, frozen=True):
    """Most examples of each task in `train.jsonl`; 0 leaves the task out everywhere."""

    n_read: Count = 6400
    """Which sentence of the shown documentation says what X does?"""
    n_args: Count = 4000
    """Which arguments are in a shown signature?"""
    n_json: Count = 4000
    """The same as a JSON list."""
    n_dflt: Count = 2500
    """What is the default value of an argument of a shown signature?"""
    n_has: Count = 4000
    """Does a shown signature have an argument of this name?"""
    n_recall: Count = 6000
    """What does X do? Nothing is shown."""
    n_must: Count = 4000
    """Which arguments of a shown signature have no default? For reinforcement learning."""


class InstructConfig(StageConfig, frozen=True):
    """Questions and answers, from documentation pages or from files of instructions."""

    source: Literal["pydoc", "files"] = "files"
    """`pydoc`: ask about the pages of `crawl`; `files`: take what `paths` hold."""
    crawl: Annotated[str | None, INPUT] = None
    """Crawl of a pydoc server: a recipe or a run directory. Only for `pydoc`."""
    paths: tuple[str, ...] = ()
    """Alpaca JSON or JSONL, or OpenAI chat JSONL; .gz and .zst too. Only for `files`."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Decides the split, the choice of questions and their wording."""
    heldout_fraction: Fraction = 0.15
    """Share of the objects, or of the conversations, that no tuning sees."""
    validation_fraction: Fraction = 0.02
    """Share of the others that tuning measures its loss on."""
    heldout_per_task: Annotated[int, Field(ge=1)] = 1000
    """Most held-out questions of a task. Only for `pydoc`."""
    max_prompt_chars: Annotated[int, Field(ge=100)] = 440
    """Longest question, in characters. Only for `pydoc`."""
    max_answer_chars: Annotated[int, Field(ge=20)] = 160
    """Longest answer, in characters. Only for `pydoc`."""
    max_share_of_one_answer: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Largest share of one answer in `dflt`. Only for `pydoc`."""
    max_bad_fraction: Fraction = 0.01
    """Share of rows that may be unusable before the stage fails. Only for `files`."""
    counts: TaskCounts = TaskCounts()
    """Most training examples of each task. Only for `pydoc`."""

    @model_validator(mode="after")
    def _source_has_its_input(self) -> Self:
        if self.source == "pydoc" and not self.crawl:
            raise ValueError('source = "pydoc" needs crawl, such as crawl = "crawl.toml"')
        if self.source == "files" and not self.paths:
            raise ValueError('source = "files" needs paths, such as paths = ["instructions.json"]')
        return self
