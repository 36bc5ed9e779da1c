"""Stage 4 of the data: questions and answers to tune a model with and to examine it by.

Reads either a crawl of Python's own documentation server (`source = "pydoc"`) or files of
instructions (`source = "files"`). Writes `train.jsonl`, `validation.jsonl` and `heldout.jsonl`, one
`core.records.Example` a line, and `statistics.json` with counts and the scores of answers that need
no understanding.

`run.run` is the stage as one page; `pydoc_pages` reads the HTML, `catalogue` decides what may be
asked in tuning and what is held out, `questions` asks, `files` reads instructions.
"""

__all__ = ["config", "run"]
