"""`groundup track RUN --to tensorboard`: puts a run's measurements into a tracker."""

from pathlib import Path

from groundup.core import console
from groundup.track.feed import open_feed, tracker_folder

__all__ = ["track"]

_HOW_TO_SEE = {
    "tensorboard": "tensorboard --logdir {root}",
    "wandb": "wandb sync {folder}/wandb/offline-run-*   (after WANDB_MODE=offline)",
}


def track(run: Path, tracker: str) -> None:
    """Sends what the tracker does not have yet, and says how to look at it.

    Raises:
        MissingArtifact: There is no such run.
        ConfigError: The tracker's package is not installed.
    """
    feed, sink = open_feed(run, tracker)
    try:
        lines = feed.catch_up()
    finally:
        sink.close()
    folder = tracker_folder(run, tracker)
    console.say(f"{lines:,} lines of {run / 'metrics.jsonl'} sent")
    console.say(_HOW_TO_SEE[tracker].format(root=folder.parents[1], folder=folder))
