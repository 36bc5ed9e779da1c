"""Quality rules of Gopher. Source: Rae et al. 2021, arXiv 2112.11446, appendix A.1.1.

| rule                          | a document is dropped when                              |
|-------------------------------|---------------------------------------------------------|
| `gopher.min_words`            | fewer than 50 words                                     |
| `gopher.max_words`            | more than 100,000 words                                 |
| `gopher.min_mean_word_length` | mean word shorter than 3 characters                     |
| `gopher.max_mean_word_length` | mean word longer than 10 characters                     |
| `gopher.symbols`              | more than 0.1 hash signs, or ellipses, for each word    |
| `gopher.bullet_lines`         | more than 90 % of lines begin with a bullet             |
| `gopher.ellipsis_lines`       | more than 30 % of lines end with an ellipsis            |
| `gopher.alphabetic_words`     | fewer than 80 % of words have a letter                  |
| `gopher.stop_words`           | fewer than 2 of 8 common English words (English only)   |

Words are split at white space, so `x,` is one word with a letter. Tokenizers that count
punctuation as words make `gopher.alphabetic_words` much stricter on documentation.
"""

from groundup.corpus.verdict import Rule, TextView

__all__ = ["RULES", "STOP_WORDS"]

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
BULLETS = ("•", "‣", "▪", "●", "◦", "⁃", "- ", "* ")
ELLIPSES = ("...", "…")
PUNCTUATION = ".,;:!?\"'()[]"


def _mean_word_length(view: TextView) -> float | None:
    return view.word_chars / len(view.words) if view.words else None


def _symbols_per_word(view: TextView) -> float | None:
    if not view.words:
        return None
    ellipses = sum(view.text.count(mark) for mark in ELLIPSES)
    return max(view.text.count("#"), ellipses) / len(view.words)


def _bullet_lines(view: TextView) -> float | None:
    return _fraction([line.startswith(BULLETS) for line in view.lines])


def _ellipsis_lines(view: TextView) -> float | None:
    return _fraction([line.endswith(ELLIPSES) for line in view.lines])


def _alphabetic_words(view: TextView) -> float | None:
    return _fraction([word.isalpha() or any(map(str.isalpha, word)) for word in view.words])


def _stop_words(view: TextView) -> float | None:
    if view.language != "en":
        return None
    return len(STOP_WORDS & {word.strip(PUNCTUATION).lower() for word in set(view.words)})


def _fraction(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


RULES = (
    Rule("gopher.min_words", "min_words", "below", lambda view: len(view.words)),
    Rule("gopher.max_words", "max_words", "above", lambda view: len(view.words)),
    Rule("gopher.min_mean_word_length", "min_mean_word_length", "below", _mean_word_length),
    Rule("gopher.max_mean_word_length", "max_mean_word_length", "above", _mean_word_length),
    Rule("gopher.symbols", "max_symbols_per_word", "above", _symbols_per_word),
    Rule("gopher.bullet_lines", "max_bullet_lines_fraction", "above", _bullet_lines),
    Rule("gopher.ellipsis_lines", "max_ellipsis_lines_fraction", "above", _ellipsis_lines),
    Rule("gopher.alphabetic_words", "min_alphabetic_words_fraction", "below", _alphabetic_words),
    Rule("gopher.stop_words", "min_stop_words", "below", _stop_words),
)
