"""Repetition rules of Gopher. Source: Rae et al. 2021, arXiv 2112.11446, table A1.

| rule                            | largest fraction                                      |
|---------------------------------|-------------------------------------------------------|
| `repetition.lines`              | 0.30 of lines repeat an earlier line                  |
| `repetition.paragraphs`         | 0.30 of paragraphs repeat an earlier paragraph        |
| `repetition.line_chars`         | 0.20 of characters lie in such lines                  |
| `repetition.paragraph_chars`    | 0.20 of characters lie in such paragraphs             |
| `repetition.top_{2,3,4}gram`    | 0.20, 0.18, 0.16 of characters in the most frequent   |
| `repetition.repeated_{5..10}grams` | 0.15, 0.14, 0.13, 0.12, 0.11, 0.10 of characters   |

A line, paragraph or n-gram repeats when it occurred before in the document: the first occurrence
does not count. Characters of n-grams are those of words, without white space; a word that lies in
several repeated n-grams counts once, as the paper asks.
"""

from functools import partial

from groundup.corpus.verdict import Rule, TextView

__all__ = ["RULES", "repeated_ngrams_fraction", "top_ngram_fraction"]


def _repeats(parts: list[str]) -> float | None:
    return 1 - len(set(parts)) / len(parts) if parts else None


def _repeated_chars(parts: list[str]) -> float | None:
    total = sum(map(len, parts))
    return 1 - sum(map(len, set(parts))) / total if total else None


def top_ngram_fraction(view: TextView, length: int) -> float | None:
    """Fraction of characters in the most frequent n-gram; 0 when none occurs twice."""
    return view.ngrams.top_fraction(length)


def repeated_ngrams_fraction(view: TextView, length: int) -> float | None:
    """Fraction of characters in n-grams that occurred before in the text."""
    return view.ngrams.repeated_fraction(length)


RULES = (
    Rule("repetition.lines", "max_lines_fraction", "above", lambda v: _repeats(v.lines)),
    Rule(
        "repetition.paragraphs",
        "max_paragraphs_fraction",
        "above",
        lambda v: _repeats(v.paragraphs),
    ),
    Rule(
        "repetition.line_chars",
        "max_line_chars_fraction",
        "above",
        lambda v: _repeated_chars(v.lines),
    ),
    Rule(
        "repetition.paragraph_chars",
        "max_paragraph_chars_fraction",
        "above",
        lambda v: _repeated_chars(v.paragraphs),
    ),
    *(
        Rule(
            f"repetition.top_{length}gram",
            f"max_top_{length}gram_fraction",
            "above",
            partial(top_ngram_fraction, length=length),
        )
        for length in (2, 3, 4)
    ),
    *(
        Rule(
            f"repetition.repeated_{length}grams",
            f"max_repeated_{length}grams_fraction",
            "above",
            partial(repeated_ngrams_fraction, length=length),
        )
        for length in (5, 6, 7, 8, 9, 10)
    ),
)
