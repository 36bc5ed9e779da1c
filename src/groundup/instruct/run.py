"""The instruct stage: reads a crawl of documentation or files of instructions, writes examples."""

import logging
from collections.abc import Mapping
from typing import Any

from groundup.core.artifact import Artifact, RunDir, digest_file
from groundup.core.config import expand_paths
from groundup.core.records import Example, write_examples
from groundup.instruct import statistics
from groundup.instruct.catalogue import SPLITS
from groundup.instruct.config import InstructConfig
from groundup.instruct.files import read_files, split_examples
from groundup.instruct.pydoc_questions import ask_about_pages

__all__ = ["VERSION", "outside", "run"]

VERSION = 1

log = logging.getLogger(__name__)


def run(config: InstructConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Writes `train.jsonl`, `validation.jsonl`, `heldout.jsonl` and `statistics.json`.

    The work takes seconds: a run that was stopped does it again, with the same result.

    Raises:
        DataError: The crawl has no documentation in it, or the files no usable rows.
    """
    if config.source == "pydoc":
        asked = ask_about_pages(config, inputs["crawl"])
        examples, described = asked.examples, asked.statistics
    else:
        examples, described = _from_files(config)
    for split in SPLITS:
        with out.publish(f"{split}.jsonl") as partial:
            write_examples(partial, examples[split])
    out.write_json("statistics.json", described)
    out.summary |= {split: len(examples[split]) for split in SPLITS}
    out.summary["train_by_task"] = statistics.count_by_task(examples["train"])
    if "objects" in described:
        out.summary["objects"] = described["objects"]
    log.info(
        "%s examples to train on, %s to validate, %s held out",
        *(f"{len(examples[split]):,}" for split in SPLITS),
    )


def outside(config: InstructConfig) -> dict[str, str]:
    """sha256 of each file of instructions, by name.

    Raises:
        DataError: A path or pattern matches nothing.
    """
    if config.source == "pydoc":
        return {}
    paths = expand_paths(config.paths)
    # By place as well as name: two folders may hold files of one name.
    return {f"{place}:{path.name}": digest_file(path) for place, path in enumerate(paths)}


def _from_files(config: InstructConfig) -> tuple[dict[str, list[Example]], dict[str, Any]]:
    rows = read_files(expand_paths(config.paths), max_bad_fraction=config.max_bad_fraction)
    examples = split_examples(
        rows.examples,
        seed=config.seed,
        heldout_fraction=config.heldout_fraction,
        validation_fraction=config.validation_fraction,
    )
    tuning = examples["train"] + examples["validation"]
    described = {
        "rows": rows.count,
        "bad_rows": rows.bad,
        "examples": {split: statistics.count_by_task(found) for split, found in examples.items()},
        "heldout_best_constant": statistics.best_constant(examples["heldout"]),
        "heldout_in_tuning": statistics.leaks(tuning, examples["heldout"]),
    }
    return examples, described
