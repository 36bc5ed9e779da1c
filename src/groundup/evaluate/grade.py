"""Marks free answers: token F1, exact match, and the reward that RL and evaluation share.

F1 is SQuAD's (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1; the rule for empty answers is
that of the SQuAD 2.0 script): lower case, no punctuation, no articles, bag of words. Exact match
differs from SQuAD's: names in code matter to the letter, so only white space is forgiven (an
argument may be called `a`, and `_x` is not `x`), and a JSON list is compared as a list.
"""

import json
import re
import string
from collections import Counter
from dataclasses import dataclass

__all__ = ["GRADERS", "Grade", "exact_match", "grade", "token_f1"]

GRADERS = ("f1", "exact")

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Grade:
    """Marks of one answer, each in 0..1.

    Attributes:
        f1: Token F1 against the reference.
        exact: 1 when the answer equals the reference.
        reward: 0 when the answer did not end by itself; otherwise `f1` for the grader `f1`, and
            the mean of `f1` and `exact` for the grader `exact`.
    """

    f1: float
    exact: float
    reward: float


def words(text: str) -> list[str]:
    """The words that SQuAD's F1 compares."""
    bare = text.lower().translate(_PUNCTUATION)
    return _ARTICLES.sub(" ", bare).split()


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall of the answer's words; 1 when both have none."""
    given, wanted = words(answer), words(reference)
    if not given or not wanted:
        return float(given == wanted)
    shared = (Counter(given) & Counter(wanted)).total()
    return 2.0 * shared / (len(given) + len(wanted))


def exact_match(answer: str, reference: str) -> float:
    """1.0 when equal but for white space, or when both are the same JSON list; else 0.0."""
    if " ".join(answer.split()) == " ".join(reference.split()):
        return 1.0
    wanted = _json_list(reference)
    return float(wanted is not None and wanted == _json_list(answer))


def _json_list(text: str) -> list[object] | None:
    """The list that a text is in JSON, else None."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def grade(answer: str, reference: str, *, grader: str, stopped: bool) -> Grade:
    """Marks an answer; `stopped` says whether the model ended it with the end token.

    Raises:
        ValueError: A grader that does not exist.
    """
    if grader not in GRADERS:
        raise ValueError(f"grader {grader!r} is none of {', '.join(GRADERS)}")
    f1, exact = token_f1(answer, reference), exact_match(answer, reference)
    quality = f1 if grader == "f1" else (f1 + exact) / 2.0
    return Grade(f1=f1, exact=exact, reward=quality if stopped else 0.0)
