"""`groundup VERB ...`: reads the command line and hands over.

Every verb imports what it needs when it is called, so that `--help` answers at once. Exit codes:
0 done, 2 the user's mistake, 1 ours, 130 cancelled.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from groundup import __version__
from groundup.cli.plan_flags import add_plan_flags
from groundup.cli.scale_flags import add_scale_flags
from groundup.core.errors import GroundupError, from_os_error

__all__ = ["entry", "main", "parser"]

_TOKENS_REPORT = "tokens report"

_STAGE_VERBS = {
    "crawl": "pages from WARC files, a folder, a site, or Python's own documentation",
    "corpus": "pages to clean documents, with a funnel that says what went and why",
    "tokens": "documents to a tokenizer and token shards",
    "instruct": "questions and answers, from crawled pages or from your files",
    "pretrain": "tokens to a foundation model",
    "import": "a Hugging Face folder to a model that every later stage takes",
    "finetune": "a model to one that answers (SFT), then to one that scores higher (RL)",
    "evaluate": "models side by side on held-out questions, with intervals",
    "report": "one HTML page on everything from the crawl to the answers",
}

_EXAMPLES = """\
first steps:
  groundup demo                               from raw pages to a chat, on this machine, in minutes
  groundup chat runs/sft/demo-...             talk to a model
  groundup serve --demo                       the OpenAI-compatible API on the demo's models
  groundup import FOLDER                      a GPT-2, Llama, Qwen2 or Qwen3 from Hugging Face
  groundup export RUN --to FOLDER --format gguf       for llama.cpp; --format hf for transformers
  groundup run recipes/warc --crawl.paths crawl/*.warc.gz --instruct.paths answers.json
  groundup run recipes/demo --dry-run         what would be reused, resumed and run
  groundup pretrain recipes/demo/pretrain.toml --help      every setting of a stage, explained

Every command can be stopped with Ctrl-C or killed; the same command again goes on from there.
"""


def parser() -> argparse.ArgumentParser:
    """The command line without the settings of recipes, which each recipe adds itself."""
    top = argparse.ArgumentParser(
        prog="groundup",
        description="From a raw web crawl to a language model of your own.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"groundup {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    made = {verb: _recipe_verb(verbs, verb, says) for verb, says in _STAGE_VERBS.items()}
    made["pretrain"].add_argument(
        "--profile", action="store_true", help="say where the time of a step goes, and stop"
    )
    _recipe_verb(verbs, "run", "build a recipe and whatever it needs that is missing")
    demo = _verb(verbs, "demo", "the whole way, on the documentation of this Python")
    demo.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    _add_tokens_report(verbs)
    _add_chat(verbs)
    _add_serve(verbs)
    add_scale_flags(
        _verb(verbs, "scale", "a law of loss from finished runs, and what it forecasts")
    )
    _add_export(verbs)
    add_plan_flags(_verb(verbs, "plan", "a budget to model, data, time, money and expected loss"))
    for verb, says in (
        ("lineage", "the tree from a run back to the crawl"),
        ("verify", "rehash a run and all it was made from"),
    ):
        _verb(verbs, verb, says).add_argument("path", metavar="RUN", type=Path)
    _add_trace(verbs)
    track = _verb(verbs, "track", "put a run's measurements into a tracker, each once")
    track.add_argument("path", metavar="RUN", type=Path)
    track.add_argument("--to", default="tensorboard", choices=["tensorboard", "wandb"])
    _verb(verbs, "doctor", "versions, cores, memory, disk, device, and what will be used")
    docs = _verb(verbs, "docs", "write the reference of all settings")
    docs.add_argument("--to", type=Path, default=Path("docs/settings.md"))
    docs.add_argument("--check", action="store_true", help="only say whether it is up to date")
    return top


Verbs = argparse._SubParsersAction  # the only name that argparse has for it


def _verb(
    verbs: "Verbs[argparse.ArgumentParser]", name: str, says: str, *, own_help: bool = True
) -> argparse.ArgumentParser:
    made = verbs.add_parser(name, help=says, description=says, add_help=own_help)
    made.add_argument("--debug", action="store_true", help="show tracebacks and more log")
    made.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of all runs (default: runs)"
    )
    return made


def _recipe_verb(
    verbs: "Verbs[argparse.ArgumentParser]", name: str, says: str
) -> argparse.ArgumentParser:
    made = _verb(verbs, name, says, own_help=False)
    made.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE")
    made.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    made.add_argument("-h", "--help", action="store_true", dest="wants_help")
    return made


def _add_tokens_report(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    report = _verb(
        verbs, _TOKENS_REPORT, "how well a tokenizer fits each language and source, beside others"
    )
    report.add_argument("path", metavar="RUN", type=Path, help="tokens run, or its recipe")
    for flag, name, says in (
        ("--text", "FILE", "more texts: .txt, or .jsonl with `text` and `language`, also .zst"),
        ("--against", "PATH", "tokenizer.json of others to compare with"),
    ):
        report.add_argument(flag, metavar=name, nargs="+", type=Path, default=[], help=says)
    report.add_argument("--json", action="store_true", help="every number, for programs")


def _joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with `tokens report` as one verb: `report` is the name of no recipe file."""
    words = _TOKENS_REPORT.split()
    if list(arguments[:2]) == words:
        return [_TOKENS_REPORT, *arguments[2:]]
    return list(arguments)


def _add_chat(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    chat = _verb(verbs, "chat", "talk to a model")
    chat.add_argument("path", metavar="RUN", type=Path, help="run directory, or its recipe")
    chat.add_argument("--prompt", help="ask once, print the answer, end")
    chat.add_argument("--system", help="a system message in front of the conversation")
    chat.add_argument("--temperature", type=float, default=0.7, help="0 takes the likeliest token")
    chat.add_argument("--top-p", type=float, default=1.0, help="smallest set of this probability")
    chat.add_argument("--top-k", type=int, default=None, help="only the k likeliest tokens")
    chat.add_argument("--max-tokens", type=int, default=None, help="longest answer")
    chat.add_argument("--seed", type=int, default=None, help="the same seed, the same answer")
    chat.add_argument(
        "--explain", action="store_true", help="the likeliest next tokens at every step"
    )
    chat.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def _add_serve(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    serve = _verb(verbs, "serve", "an OpenAI-compatible API on your models")
    serve.add_argument("paths", metavar="RUN", type=Path, nargs="*", help="run directories")
    serve.add_argument("--demo", action="store_true", help="the models of `groundup demo`")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--data-dir", type=Path, default=Path("data"), help="keys and server state")
    serve.add_argument("--no-auth", action="store_true", help="no key needed; loopback only")
    serve.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def _add_trace(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    says = "from a training row to its documents, or from a document to the models that saw it"
    trace = _verb(verbs, "trace", says)
    trace.add_argument(
        "path", metavar="RUN", type=Path, nargs="?", help="a pretrain run (default: all in --runs)"
    )
    trace.add_argument("--step", type=int, help="as in metrics.jsonl: the first step is 1")
    trace.add_argument("--row", type=int, help="row of that step's whole batch, from 0")
    trace.add_argument("--url", help="a document's URL, or its id")
    trace.add_argument("--json", action="store_true", help="print JSON")


def _add_export(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    export = _verb(verbs, "export", "a model for transformers and vLLM, or for llama.cpp, proved")
    export.add_argument("path", metavar="RUN", type=Path, help="run directory, or its recipe")
    export.add_argument("--to", metavar="FOLDER", type=Path, required=True, help="a new folder")
    export.add_argument(
        "--format",
        choices=["hf", "gguf"],
        default="hf",
        help="hf: transformers, vLLM; gguf: llama.cpp",
    )
    export.add_argument(
        "--type",
        choices=["f32", "f16", "bf16", "q8_0"],
        help="number format of the weights (default: f32 for hf, f16 for gguf; q8_0 for gguf only)",
    )
    export.add_argument(
        "--no-proof", action="store_true", help="do not compare with the program it is for"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code and never raises `GroundupError`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    known, rest = parser().parse_known_args(_joined(given))
    known.arguments = given
    if rest and known.verb not in (*_STAGE_VERBS, "run"):
        parser().error(f"unrecognised arguments: {' '.join(rest)}")
    from groundup.cli import verbs
    from groundup.core import console, interrupt

    console.install_logging(debug=known.debug)
    interrupt.install()
    try:
        verbs.call(known, rest)
    except (GroundupError, OSError) as problem:
        error = problem if isinstance(problem, GroundupError) else from_os_error(problem)
        if error is None:
            raise
        if known.debug:
            traceback.print_exc()
        console.error(error)
        return error.exit_code
    return 0


def entry() -> None:
    """The installed command.

    Ends with `os._exit`: native threads of the data engine can crash a normal exit of CPython 3.11
    after all work is done.
    """
    try:
        code = main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 2
    except BrokenPipeError:
        code = 0
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    os._exit(code)
