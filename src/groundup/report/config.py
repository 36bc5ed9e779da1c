"""Settings of the report stage."""

from typing import Annotated

from groundup.core.config import INPUT, StageConfig

__all__ = ["ReportConfig"]


class ReportConfig(StageConfig, frozen=True):
    """One HTML page on everything from the crawl to the answers."""

    evaluate: Annotated[str, INPUT]
    """Recipe or run directory of the evaluation; all that led to it is found from there."""
    title: str = ""
    """Heading of the page; the name of the run when empty."""
    questions_per_task: int = 3
    """Questions of each task whose answers are shown side by side."""
