"""When an ability appears, and whether it only seems to: four verdicts on published results.

- absent: no checkpoint is clearly above chance.
- smooth: it appears, and accuracy rises without a jump.
- metric-sharp: accuracy jumps, the continuous metric does not: the sharpness is the metric's
  (Schaeffer et al. 2023, arXiv 2304.15004).
- sharp: the continuous metric jumps as well (Wei et al. 2022, arXiv 2206.07682, ask for no more
  than accuracy).

A jump is 30% or more of the whole change between two neighbouring checkpoints; of the continuous
metric it counts only when the two lie within .15 of a decade, because across a wide gap every
steady rise looks like one. Without a continuous metric there is no verdict but absent.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from groundup.core import seeds
from groundup.core.errors import ConfigError
from groundup.scaling.curves import (
    Jump,
    Logistic,
    fit_logistic,
    knee,
    largest_jump,
    onset,
)
from groundup.scaling.resample import Interval, interval

__all__ = [
    "AXES",
    "Curve",
    "LossView",
    "TaskVerdict",
    "Verdict",
    "judge",
    "judge_task",
    "loss_view",
]

JUMP = 0.30
DENSE_DECADES = 0.15
LEAST_SERIES = 3  # seeds or sizes for an interval that means something
LEAST_CHECKPOINTS = 5
AXES = ("tokens", "compute", "params")
_DEGREE = 5
COLLAPSE = 2.0  # times smaller that the residuals over loss must be


@dataclass(frozen=True, slots=True)
class Curve:
    """One model's results on one task over its checkpoints, or all models' over size.

    Attributes:
        series: Which model.
        x: log10 of tokens, operations or parameters, ascending.
        accuracy: Share of right answers.
        error: Its standard error.
        continuous: A metric that moves with every answer's probability, higher is better; None
            where the table has none.
    """

    series: str
    x: np.ndarray
    accuracy: np.ndarray
    error: np.ndarray
    continuous: np.ndarray | None

    @property
    def items(self) -> np.ndarray:
        """Questions behind each accuracy, from the largest standard error."""
        spread = self.accuracy * (1.0 - self.accuracy)
        with np.errstate(divide="ignore", invalid="ignore"):
            counts = np.where(self.error > 0, spread / self.error**2, np.nan)
        known = counts[np.isfinite(counts) & (counts > 0)]
        return np.full_like(self.accuracy, float(np.median(known)) if len(known) else 1000.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one curve shows.

    Attributes:
        verdict: One of the four, or "undecided" where there is no continuous metric.
        appears: x between the last checkpoint at chance and the first clearly above it; None when
            absent or above it from the start.
        logistic: Threshold and width; None when absent.
        accuracy_jump: Largest step of accuracy.
        continuous_jump: Largest step of the continuous metric.
        continuous_before: Share of the continuous metric's change that came before accuracy moved.
        knee: Where the continuous metric bends, and the gain in BIC over a straight line.
    """

    verdict: str
    appears: tuple[float, float] | None
    logistic: Logistic | None
    accuracy_jump: Jump
    continuous_jump: Jump | None
    continuous_before: float | None
    knee: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """What all curves of a task show together.

    Attributes:
        task: Its name.
        chance: Accuracy of guessing.
        verdict: The commonest over resamples, or over curves without any.
        shares: Verdict to its share over resamples of curves and of answers.
        each: Series to its own verdict.
        threshold: 95% interval, over resampled curves, of the median log10 threshold; None when
            absent.
        width: 95% interval of the median width in decades.
        warnings: What weakens the verdict.
    """

    task: str
    chance: float
    verdict: str
    shares: Mapping[str, float]
    each: Mapping[str, Verdict]
    threshold: Interval | None
    width: Interval | None
    warnings: tuple[str, ...]


def judge(curve: Curve, chance: float, *, with_threshold: bool = True) -> Verdict:
    """The verdict on one curve."""
    at = onset(curve.x, curve.accuracy, curve.error, chance)
    accuracy_jump = largest_jump(curve.x, curve.accuracy)
    continuous = curve.continuous
    continuous_jump = None if continuous is None else largest_jump(curve.x, continuous)
    appears = None
    before = None
    if at is not None and at > 0:
        appears = float(curve.x[at - 1]), float(curve.x[at])
        if continuous is not None and continuous[-1] != continuous[0]:
            before = float((continuous[at - 1] - continuous[0]) / (continuous[-1] - continuous[0]))
    logistic = None
    if at is not None and with_threshold:
        logistic = fit_logistic(curve.x, curve.accuracy, curve.items)
    return Verdict(
        _verdict(at, accuracy_jump, continuous_jump),
        appears,
        logistic,
        accuracy_jump,
        continuous_jump,
        before,
        None if continuous is None else knee(curve.x, continuous),
    )


def _verdict(at: int | None, accuracy: Jump, continuous: Jump | None) -> str:
    if at is None:
        return "absent"
    if continuous is None:
        return "undecided"
    if accuracy.share < JUMP:
        return "smooth"
    sharp = continuous.share >= JUMP and continuous.decades <= DENSE_DECADES
    return "sharp" if sharp else "metric-sharp"


def judge_task(
    task: str, curves: Sequence[Curve], chance: float, *, replicates: int = 200, seed: int = 0
) -> TaskVerdict:
    """The verdict on a task, with its spread over resampled curves and answers.

    Raises:
        ConfigError: A curve has too few checkpoints, or there is none.
    """
    if not curves or min(len(curve.x) for curve in curves) < LEAST_CHECKPOINTS:
        raise ConfigError(
            f"task {task!r} has curves of fewer than {LEAST_CHECKPOINTS} checkpoints",
            hint="--along tokens, compute or params; --where picks rows",
        )
    each = {curve.series: judge(curve, chance) for curve in curves}
    found = Counter(verdict.verdict for verdict in each.values())
    generator = seeds.generator(seed, f"scaling/emergence/{task}")
    shares: Counter[str] = Counter()
    thresholds, widths = [], []
    logistics = [verdict.logistic for verdict in each.values() if verdict.logistic]
    for _ in range(replicates):
        drawn = [curves[i] for i in generator.integers(0, len(curves), len(curves))]
        votes = Counter(
            judge(_redrawn(curve, generator), chance, with_threshold=False).verdict
            for curve in drawn
        )
        shares[votes.most_common(1)[0][0]] += 1
        if logistics:
            index = generator.integers(0, len(logistics), len(logistics))
            thresholds.append(float(np.median([logistics[i].middle for i in index])))
            widths.append(float(np.median([logistics[i].width for i in index])))
    return TaskVerdict(
        task,
        chance,
        (shares or found).most_common(1)[0][0],
        {name: count / replicates for name, count in shares.items()},
        each,
        interval(thresholds) if thresholds else None,
        interval(widths) if widths else None,
        tuple(_warnings(curves, each)),
    )


def _redrawn(curve: Curve, generator: np.random.Generator) -> Curve:
    """The curve with its answers drawn again."""
    items = curve.items
    right = generator.binomial(items.astype(int), np.clip(curve.accuracy, 0.0, 1.0))
    return replace(curve, accuracy=right / items.astype(int))


def _warnings(curves: Sequence[Curve], each: Mapping[str, Verdict]) -> list[str]:
    found = []
    if len(curves) < LEAST_SERIES:
        found.append(f"{len(curves)} curves only: an interval needs {LEAST_SERIES} seeds or sizes")
    sparse = [v for v in each.values() if v.accuracy_jump.decades > DENSE_DECADES]
    if sparse:
        widest = max(verdict.accuracy_jump.decades for verdict in sparse)
        found.append(
            f"checkpoints up to {widest:.2f} decades apart where accuracy rises: the threshold is "
            "bracketed, not dated"
        )
    moved = [
        verdict
        for verdict in each.values()
        if verdict.verdict == "metric-sharp"
        and verdict.continuous_jump is not None
        and verdict.continuous_jump.share >= JUMP
    ]
    if moved:
        before = [v.continuous_before for v in moved if v.continuous_before is not None]
        least = f"; {min(before):.0%} of its change or more came before" if before else ""
        found.append(
            f"the continuous metric also moves by {JUMP:.0%} or more across a wide gap in "
            f"{len(moved)} curves, where denser checkpoints could find a jump{least}"
        )
    if any(curve.continuous is None for curve in curves):
        found.append("no continuous metric: whether a jump is the metric's cannot be told")
    return found


@dataclass(frozen=True, slots=True)
class LossView:
    """Whether sizes fall on one curve when accuracy is drawn over their own loss (Du et al. 2024).

    Attributes:
        residual: Axis to the standard deviation about a smooth curve through all sizes.
        collapses: Whether it is smallest over loss by a factor of two.
    """

    residual: Mapping[str, float]
    collapses: bool


def loss_view(accuracy: np.ndarray, axes: Mapping[str, np.ndarray]) -> LossView:
    """Spread about a polynomial of degree five in each axis; `loss` must be among them."""
    residual = {}
    for name, x in axes.items():
        centred = (x - x.mean()) / max(float(x.std()), 1e-12)
        fitted = np.polynomial.Polynomial.fit(centred, accuracy, _DEGREE)
        left = accuracy - fitted(centred)
        residual[name] = math.sqrt(float(left @ left) / len(x))
    others = [value for name, value in residual.items() if name != "loss"]
    return LossView(residual, bool(others) and residual["loss"] * COLLAPSE <= min(others))
