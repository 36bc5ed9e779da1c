"""The flags of `groundup scale`; nothing heavy is imported here."""

import argparse
from pathlib import Path

from groundup.cli.quantities import whole

__all__ = ["add_scale_flags"]

_FIT_HELP = """\
Fits L(N, D) = E + A/N^alpha + B/D^beta, or another form, to a table with one row a finished run.

Columns are recognised by name (N or params, D or tokens, C or flops, loss or val_loss and those of
published tables); without D, C = 6 N D gives it. A table that mixes tokenizers, data, validation
sets or recipes is refused, because their losses lie on different curves; --where picks one. Rows of
one training run (column trunk) are resampled together. Read the forecast of the held-out largest
run before the exponents: loss extrapolates well, exponents do not.
"""
_FIT_EXAMPLES = """\
examples:
  groundup scale fit points.csv --to fits/mine
  groundup scale fit chinchilla.csv --drop-worst 5 --json
  groundup scale fit runs.csv --where dataset=c4 --law equal-exponent
  groundup scale fit other.csv --columns N=size,D=seen,loss=eval_nats
  groundup scale fit evals.csv --where task=lambada_openai --columns "loss=ln(ppl)"
"""
_EMERGENCE_HELP = """\
Reads published results, a row for a model, a checkpoint and a task (columns model, params, tokens,
task, acc or accuracy, its standard error, and a continuous metric: log_prob, ppl or brier), and
says of each task whether the ability is absent, smooth, metric-sharp (the jump is the metric's) or
sharp (the continuous metric jumps too), with thresholds, intervals and what weakens them.
"""
_EMERGENCE_EXAMPLES = """\
examples:
  groundup scale emergence --table pythia.csv.gz --where shots=0
  groundup scale emergence --table pythia.csv.gz --where shots=0 --task sciq --task piqa
  groundup scale emergence --table mine.csv --along compute --chance 0.25 --to emergence/mine
"""


def add_scale_flags(scale: argparse.ArgumentParser) -> None:
    """Adds the verbs below `groundup scale`."""
    tasks = scale.add_subparsers(dest="what", metavar="WHAT", required=True)
    _add_fit(tasks)
    _add_emergence(tasks)


def _add_fit(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fit = tasks.add_parser(
        "fit",
        help="a law of loss from finished runs, with intervals and a held-out forecast",
        description=_FIT_HELP,
        epilog=_FIT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fit.add_argument("points", metavar="POINTS.csv", type=Path, help="csv or csv.gz, a row a run")
    fit.add_argument(
        "--law",
        default="chinchilla",
        choices=["chinchilla", "equal-exponent", "power", "kaplan"],
        help="E + A/N^alpha + B/D^beta; the same with alpha = beta; with E = 0; Kaplan's bracket",
    )
    fit.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    fit.add_argument("--columns", metavar="N=...,D=...", help="N, D, C, loss, trunk by column name")
    fit.add_argument(
        "--where", metavar="COLUMN=VALUE", action="append", default=[], help="keep these rows"
    )
    fit.add_argument(
        "--drop-worst", metavar="K", type=whole, default=0, help="leave out the K highest losses"
    )
    fit.add_argument(
        "--bootstrap", metavar="R", type=whole, default=1000, help="resamples; 0 gives no intervals"
    )
    fit.add_argument(
        "--objective",
        default="huber",
        choices=["huber", "squares"],
        help="Huber loss of ln L (Hoffmann), or plain squares of L (Gadre)",
    )
    fit.add_argument("--seed", type=int, default=0, help="of resamples and restarts")
    fit.add_argument("--to", metavar="FOLDER", type=Path, help="keep fit.json and figures here")


def _add_emergence(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    found = tasks.add_parser(
        "emergence",
        help="when abilities appear, and whether they only seem to",
        description=_EMERGENCE_HELP,
        epilog=_EMERGENCE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--table", type=Path, required=True, help="csv or csv.gz of results")
    found.add_argument(
        "--task", action="append", help="judge this one (default: all with a continuous metric)"
    )
    found.add_argument(
        "--along", default="tokens", choices=["tokens", "compute", "params"], help="the x axis"
    )
    found.add_argument("--chance", type=float, help="accuracy of guessing")
    found.add_argument(
        "--where", metavar="COLUMN=VALUE", action="append", default=[], help="keep these rows"
    )
    found.add_argument("--bootstrap", metavar="R", type=whole, default=200, help="resamples")
    found.add_argument("--seed", type=int, default=0, help="of the resamples")
    found.add_argument("--json", action="store_true", help="print one JSON array and nothing else")
    found.add_argument("--to", metavar="FOLDER", type=Path, help="keep emergence.json and charts")
