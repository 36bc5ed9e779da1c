"""The flags of `groundup plan`; nothing heavy is imported here."""

import argparse
from pathlib import Path

from groundup.cli.quantities import count, fraction, size, whole

__all__ = ["add_plan_flags"]

_EXAMPLES = """\
examples:
  groundup plan --hours 8 --device h200x8         what eight hours of eight H200s can train
  groundup plan --dollars 50                      the best model for fifty dollars
  groundup plan --loss 2.5                        the cheapest way to a loss of 2.5 nats per token
  groundup plan --model 124M --tokens 2.5B        what a given run costs and reaches
  groundup plan --flops 1e21 --unique-tokens 3B   when data must be repeated
  groundup plan --flops 1e23 --inference-tokens 2T    when the model will be used a lot
  groundup plan --hours 1 --device here --fit fits/mine   this machine, measured; your own law
  groundup plan --families                        known models, and what size did to GPT-3
  groundup plan corpus --rate 200                 what a crawl costs to clean

Losses are forecasts of a law fitted to finished runs: its source, its interval and how far the plan
lies outside those runs are printed beside them.
"""
_CORPUS_HELP = """\
Documents, bytes, core-hours, dollars and the size of the duplicate index, from one WARC file to a
whole snapshot of Common Crawl; every number follows from the rate, which is stated or measured.
"""


def add_plan_flags(plan: argparse.ArgumentParser) -> None:
    """Adds the flags of `groundup plan` and the verb below it."""
    plan.formatter_class = argparse.RawDescriptionHelpFormatter
    plan.epilog = _EXAMPLES
    given = plan.add_argument_group("what is given; the rest is worked out")
    given.add_argument("--hours", type=count, help="wall-clock hours on the device")
    given.add_argument("--dollars", type=count, help="money for the device")
    given.add_argument("--flops", type=count, help="training operations, such as 1e21")
    given.add_argument("--loss", type=count, help="nats per token to reach")
    given.add_argument("--model", type=size, help="parameters such as 124M, or a preset's name")
    given.add_argument("--tokens", type=count, help="training tokens, repeats included")
    given.add_argument("--tokens-per-param", type=count, help="their ratio to all parameters")
    given.add_argument("--unique-tokens", type=count, help="different tokens that there are")
    given.add_argument("--allow-repeats", action="store_true", help="more than 16 passes are meant")
    given.add_argument(
        "--inference-tokens", type=count, help="tokens the model will read and write"
    )
    given.add_argument(
        "--vocab-size", type=whole, help="token ids (default: 50304, or the preset's)"
    )
    given.add_argument("--context", type=whole, help="tokens of one row (default: 2048)")
    machine = plan.add_argument_group("where it runs")
    machine.add_argument(
        "--device", default="h100", help="h200, h200x8, ..., or here for this machine, measured"
    )
    machine.add_argument("--mfu", type=fraction, help="share of the peak that training reaches")
    machine.add_argument("--price", type=count, help="dollars an hour of one device")
    output = plan.add_argument_group("law and output")
    output.add_argument("--fit", type=Path, help="fit.json of `groundup scale fit`, or its folder")
    output.add_argument("--families", action="store_true", help="print the known models, and stop")
    output.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else"
    )
    output.add_argument("--to", metavar="FOLDER", type=Path, help="keep plan.json and charts here")
    _add_corpus(plan)


def _add_corpus(plan: argparse.ArgumentParser) -> None:
    tasks = plan.add_subparsers(dest="task", metavar="corpus", required=False)
    corpus = tasks.add_parser(
        "corpus",
        help="what a crawl costs to clean, from one WARC file to a whole snapshot",
        description=_CORPUS_HELP,
    )
    corpus.add_argument(
        "run", metavar="RUN", nargs="?", type=Path, help="a finished corpus run to take the rate of"
    )
    corpus.add_argument("--rate", type=count, help="pages a core-second, in place of a run's")
    corpus.add_argument(
        "--kept-fraction", type=fraction, help="kept share of pages (RefinedWeb: .117)"
    )
    corpus.add_argument("--kept-bytes", type=count, help="text bytes of a kept page (2,900)")
    corpus.add_argument(
        "--core-price", type=count, default=0.04, help="dollars a core-hour (default: 0.04)"
    )
    corpus.add_argument(
        "--files", type=whole, action="append", help="WARC files, repeatable (default: 1 to 90000)"
    )
    corpus.add_argument("--json", action="store_true", help="print one JSON object")
