"""Whether a fine-tuning run went well, in plain words.

A line is a check with its numbers, a verdict and what to do when it is bad. The thresholds are
rules of thumb for telling a broken run from a working one, not laws.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from groundup.core.artifact import RunDir
from groundup.evaluate.answers import Answer

__all__ = ["Finding", "grpo_findings", "save", "sft_findings", "stop_fraction"]

log = logging.getLogger(__name__)

STOP_SHARE_GOOD = 0.9
LOSS_FALL_GOOD = 0.05
ENTROPY_COLLAPSE = 0.2
LENGTH_GROWTH = 2.0
NO_SIGNAL_LIMIT = 0.8
KL_LIMIT_NATS = 0.5


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes:
        name: Which check.
        good: Its verdict.
        says: The numbers, in a sentence; when bad, what to do.
    """

    name: str
    good: bool
    says: str


def stop_fraction(answers: Sequence[Answer]) -> float | None:
    """Share of answers that ended by themselves; None without answers."""
    if not answers:
        return None
    return sum(answer.stopped for answer in answers) / len(answers)


def sft_findings(
    *, first_loss: float, last_loss: float, train_loss: float, stop_fraction: float | None
) -> list[Finding]:
    """Checks after supervised fine-tuning.

    Args:
        first_loss: Validation loss before the first step, nats per answer token.
        last_loss: The same after the last.
        train_loss: Mean training loss over the last steps.
        stop_fraction: Share of sampled answers that ended by themselves; None when none was asked.
    """
    fell = last_loss < first_loss * (1.0 - LOSS_FALL_GOOD)
    findings = [
        Finding(
            "learned",
            fell,
            f"validation loss went from {first_loss:.3f} to {last_loss:.3f} nats per answer token"
            + ("" if fell else ": it learned next to nothing; raise lr_scale or epochs"),
        )
    ]
    overfit = train_loss < 0.5 * last_loss
    findings.append(
        Finding(
            "overfit",
            not overfit,
            f"training loss at the end {train_loss:.3f}, validation {last_loss:.3f}"
            + (": it remembers its examples; fewer epochs or more examples" if overfit else ""),
        )
    )
    if stop_fraction is not None:
        findings.append(_stops(stop_fraction))
    return findings


def _stops(fraction: float) -> Finding:
    good = fraction >= STOP_SHARE_GOOD
    advice = "" if good else ": too few; train longer, or allow more tokens to an answer"
    return Finding("stops", good, f"{fraction:.0%} of answers end by themselves{advice}")


def grpo_findings(
    *,
    reward: tuple[float, float],
    stop_fraction: float,
    entropy: tuple[float, float],
    answer_tokens: tuple[float, float],
    no_signal_fraction: float,
    kl_nats: float | None,
) -> list[Finding]:
    """Checks after reinforcement learning; pairs are means over the first and the last steps.

    Args:
        reward: Mean reward of sampled answers.
        stop_fraction: Share of sampled answers at the end that ended by themselves.
        entropy: Nats per token.
        answer_tokens: Tokens of an answer.
        no_signal_fraction: Share of groups whose answers all earned the same.
        kl_nats: Distance from the model started from, per token; None when not measured.
    """
    rose = reward[1] > reward[0]
    collapsed = entropy[1] < ENTROPY_COLLAPSE * entropy[0]
    longer = answer_tokens[1] > LENGTH_GROWTH * answer_tokens[0]
    starved = no_signal_fraction > NO_SIGNAL_LIMIT
    findings = [
        Finding(
            "reward",
            rose,
            f"mean reward of sampled answers went from {reward[0]:.3f} to {reward[1]:.3f}"
            + ("" if rose else ": no gain; more steps, or another lr_scale"),
        ),
        _stops(stop_fraction),
        Finding(
            "variety",
            not collapsed,
            f"entropy went from {entropy[0]:.3f} to {entropy[1]:.3f} nats per token"
            + (": answers have become all alike; lower lr_scale" if collapsed else ""),
        ),
        Finding(
            "length",
            not longer,
            f"answers went from {answer_tokens[0]:.1f} to {answer_tokens[1]:.1f} tokens"
            + (": they grow; look at samples.jsonl for padding" if longer else ""),
        ),
        Finding(
            "signal",
            not starved,
            f"{no_signal_fraction:.0%} of prompts taught nothing, all their answers earning alike"
            + (": too easy or too hard; change the task weights" if starved else ""),
        ),
    ]
    if kl_nats is not None:
        far = kl_nats > KL_LIMIT_NATS
        findings.append(
            Finding(
                "distance",
                not far,
                f"{kl_nats:.3f} nats per token away from the model it started from"
                + (": far; lower lr_scale or set kl_coefficient" if far else ""),
            )
        )
    return findings


def save(findings: Sequence[Finding], out: RunDir) -> None:
    """Writes `health.json` and logs a line for each finding."""
    out.write_json("health.json", [asdict(finding) for finding in findings])
    for finding in findings:
        log.info("  %s %s: %s", "ok " if finding.good else "BAD", finding.name, finding.says)
