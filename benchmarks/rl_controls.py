"""Is it the reinforcement learning, or only the time? Controls for a rule that only RL is paid for.

Given a finished `grpo` run, everything else is found through its lineage. For each seed it trains

- RL again, from the same tuned model, and
- more SFT, from the same tuned model on the same examples as before, for as many seconds (the
  seconds that an epoch takes are measured first),

and asks all of them, and the tuned model itself, the same held-out questions. The tuned model's
answers cut by hand after the best number of names in hindsight are one more control. Writes a
Markdown page with paired 95% intervals (groups resampled; the mean over seeds question by question,
so that the interval speaks of these questions and these seeds).

    python benchmarks/rl_controls.py runs/grpo/demo-0123456789ab
"""

import argparse
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.config import validate
from groundup.core.machine import describe_hardware
from groundup.core.metrics import read_metrics
from groundup.core.records import Example, read_examples
from groundup.evaluate.answers import Answer, ask, choose, fits
from groundup.evaluate.bootstrap import Interval
from groundup.evaluate.cut import best_cut
from groundup.evaluate.scores import Scorer
from groundup.finetune import grpo, sft
from groundup.finetune.config import GrpoConfig, SftConfig
from groundup.generate.load import open_model
from groundup.model.allocator import tune_allocator

RULE = "must"
QUESTIONS_PER_TASK = 400
MAX_NEW_TOKENS = 64
REPLICATES = 10_000
PACE_EPOCHS = 0.2
RESULT = Path(__file__).parent / "results" / "rl_controls.md"


def config_of(run: Artifact) -> dict[str, object]:
    """A run's own resolved recipe, without the line that names the stage."""
    values = tomllib.loads(run.file("config.toml").read_text("utf-8"))
    del values["stage"]
    return values


def build(folder: Path, stage: str, name: str) -> RunDir:
    """An unfinished run in a folder of our own."""
    manifest = Manifest(stage=stage, stage_version=1, name=name, key="0" * 12)
    return RunDir(folder / name, manifest, "")


def training_s(run: Artifact) -> float:
    """Seconds that a run spent in its loop, from its metrics."""
    return max(row["time_s"] for row in read_metrics(run.path / "metrics.jsonl"))


def reinforce(rl: Artifact, seed: int, folder: Path) -> Artifact:
    """The RL run again with another seed."""
    config = validate(GrpoConfig, {**config_of(rl), "seed": seed}, source=str(rl.path))
    out = build(folder, "grpo", f"rl-{seed}")
    grpo.run(config, {"model": rl.input("model"), "examples": rl.input("examples")}, out)
    return out.complete()


def tune_more(rl: Artifact, seed: int, epochs: float, folder: Path) -> Artifact:
    """More SFT, from the model that RL started from and on the examples it was tuned with."""
    tuned = rl.input("model")
    before = validate(SftConfig, config_of(tuned), source=str(tuned.path))
    config = before.model_copy(update={"seed": 1000 + seed, "epochs": epochs})
    out = build(folder, "sft", f"more-sft-{seed}")
    sft.run(config, {"model": tuned, "examples": tuned.input("examples")}, out)
    return out.complete()


def pace_s(rl: Artifact, folder: Path) -> float:
    """Seconds that an epoch of SFT takes on this machine now."""
    return training_s(tune_more(rl, 0, PACE_EPOCHS, folder)) / PACE_EPOCHS


def questions_of(rl: Artifact, tasks: Sequence[str]) -> dict[str, list[Example]]:
    """Held-out questions by task that leave room for an answer."""
    model = open_model(rl, device="cpu")
    heldout = [
        example
        for example in read_examples(rl.input("examples").file("heldout.jsonl"))
        if fits(model.tokenizer, example, MAX_NEW_TOKENS, model.context_length)
    ]
    chosen = {task: choose(heldout, task=task, count=QUESTIONS_PER_TASK, seed=1) for task in tasks}
    return {task: found for task, found in chosen.items() if found}


def examine(model: Artifact, questions: Mapping[str, Sequence[Example]]) -> dict[str, list[Answer]]:
    """Greedy answers to the rule's questions, and to those of all plain tasks together."""
    engine = open_model(model, device="auto").engine
    answers: dict[str, list[Answer]] = {"rule": [], "plain": []}
    for task, asked in questions.items():
        found = ask(engine, asked, role=model.manifest.name, max_new_tokens=MAX_NEW_TOKENS)
        answers["rule" if task == RULE else "plain"] += found
    return answers


def mean_of(runs: Sequence[Sequence[Answer]]) -> list[Answer]:
    """Each question's reward, exact mark and F1 averaged over several models' answers."""
    size = len(runs)
    return [
        replace(
            same[0],
            reward=sum(a.reward for a in same) / size,
            exact=sum(a.exact for a in same) / size,
            f1=sum(a.f1 for a in same) / size,
        )
        for same in zip(*runs, strict=True)
    ]


def text(interval: Interval, *, signed: bool = False) -> str:
    """An interval in a table's cell."""
    sign = "+" if signed else ""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:{sign}.3f}"
    return f"{interval.mean:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


class Page:
    """The Markdown page, a table at a time."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.lines: list[str] = []

    def models(self, answers: Mapping[str, Mapping[str, Sequence[Answer]]]) -> None:
        """Mean reward and share of exact answers of every model."""
        self.lines += [
            f"| model | {RULE}: reward | {RULE}: exact | plain tasks: reward |",
            "|---|---|---|---|",
        ]
        for name, found in answers.items():
            plain = text(self._scorer.mean(found["plain"], "reward")) if found["plain"] else ""
            rule = [text(self._scorer.mean(found["rule"], m)) for m in ("reward", "exact")]
            self.lines.append(f"| {name} | {rule[0]} | {rule[1]} | {plain} |")
        self.lines.append("")

    def differences(
        self,
        rows: Sequence[tuple[str, Mapping[str, Sequence[Answer]], Mapping[str, Sequence[Answer]]]],
    ) -> None:
        """Paired differences of reward."""
        self.lines += [
            f"| difference of reward | {RULE} | plain tasks |",
            "|---|---|---|",
        ]
        for name, first, second in rows:
            cells = [
                text(self._scorer.paired(first[part], second[part]), signed=True)
                if first[part] and second[part]
                else ""
                for part in ("rule", "plain")
            ]
            self.lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
        self.lines.append("")


def main() -> None:
    """Trains, asks, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rl", type=Path, help="a finished grpo run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    rl = Artifact.open(options.rl, stage="grpo")
    tasks = sorted({ex.task for ex in read_examples(rl.input("examples").file("heldout.jsonl"))})
    questions = questions_of(rl, tasks)
    tuned = rl.input("model")
    sft_answers = examine(tuned, questions)
    rl_answers, more_answers, seconds = [], [], []
    with tempfile.TemporaryDirectory(dir=rl.path.parent, prefix=".rl-controls-") as folder:
        epoch_s = pace_s(rl, Path(folder))
        for seed in range(1, options.seeds + 1):
            trained = reinforce(rl, seed, Path(folder))
            more = tune_more(rl, seed, training_s(trained) / epoch_s, Path(folder))
            rl_answers.append(examine(trained, questions))
            more_answers.append(examine(more, questions))
            seconds.append((training_s(trained), training_s(more)))
    write_page(options.out, rl, sft_answers, rl_answers, more_answers, seconds)


def write_page(
    path: Path,
    rl: Artifact,
    tuned: Mapping[str, Sequence[Answer]],
    rl_answers: Sequence[Mapping[str, Sequence[Answer]]],
    more_answers: Sequence[Mapping[str, Sequence[Answer]]],
    seconds: Sequence[tuple[float, float]],
) -> None:
    """Everything that was found, with what is needed to find it again."""
    parts = ("rule", "plain")
    rl_mean = {part: mean_of([found[part] for found in rl_answers]) for part in parts}
    more_mean = {part: mean_of([found[part] for found in more_answers]) for part in parts}
    found_cut = best_cut(tuned["rule"])
    cut: dict[str, Sequence[Answer]] = {"rule": found_cut.answers, "plain": []}
    hardware = describe_hardware()
    page = Page(Scorer(("sft", "rl"), seed=1, replicates=REPLICATES))
    page.lines += [
        "# Reinforcement learning against its controls",
        "",
        f"From `{rl.path}` ({rl.manifest.code.get('commit', '')[:8]}), "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {hardware['processor']}, "
        f"{hardware['cores']} cores; {len(rl_answers)} seeds, {len(tuned['rule'])} held-out "
        f"questions of `{RULE}`, {len(tuned['plain'])} of the plain tasks, greedy answers.",
        f"Command: `python benchmarks/rl_controls.py {rl.path}`.",
        "",
        "Seconds of training by seed, RL and more SFT: "
        + ", ".join(f"{a:.0f} and {b:.0f}" for a, b in seconds)
        + ".",
        "",
    ]
    page.models(
        {
            "sft, where both start": tuned,
            f"sft cut by hand after {found_cut.k} names (best in hindsight)": cut,
            "more sft, mean over seeds": more_mean,
            "rl, mean over seeds": rl_mean,
            **{f"rl, seed {i}": found for i, found in enumerate(rl_answers, start=1)},
        }
    )
    page.differences(
        [
            ("rl - sft", rl_mean, tuned),
            ("rl - more sft", rl_mean, more_mean),
            ("rl - cut", rl_mean, cut),
            ("more sft - sft", more_mean, tuned),
            *((f"rl, seed {i} - sft", found, tuned) for i, found in enumerate(rl_answers, start=1)),
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(page.lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    tune_allocator()
    main()
