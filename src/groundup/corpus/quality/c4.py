"""Rules of C4. Source: Raffel et al. 2020, arXiv 1910.10683v4, section 2.2.

| rule                    | what it does                                                     |
|-------------------------|------------------------------------------------------------------|
| `c4.curly_bracket`      | drops a page with `{`: program code                              |
| `c4.lorem_ipsum`        | drops a page with "lorem ipsum"                                  |
| `c4.blocked_words`      | drops a page with a word of a given list                         |
| `c4.citations`          | takes out `[1]`, `[edit]`, `[citation needed]`                   |
| `c4.line_terminal_mark` | takes out lines that do not end in . ! ? or a quotation mark     |
| `c4.line_words`         | takes out lines of fewer than 5 words                            |
| `c4.line_javascript`    | takes out lines with the word Javascript                         |
| `c4.line_policy`        | takes out lines such as "terms of use" or "cookie policy"        |
| `c4.sentences`          | drops a page of fewer than 3 sentences, after the line rules     |

Documentation is full of signatures, lists and brackets, which is why each rule has its own switch.
Differs from the paper: sentences are counted by their end marks, CJK marks included; the paper's
code asks a trained English splitter. Its span deduplication is `repeated_paragraphs` here.
"""

import re
from collections.abc import Callable

from groundup.corpus.config import C4Limits
from groundup.corpus.verdict import Verdict

__all__ = ["POLICY", "clean_lines", "count_sentences", "drop_reason", "too_few_sentences"]

TERMINAL_MARKS = (".", "!", "?", '"', "”", "。", "！", "？", "」")
POLICY = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
SENTENCE_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’)\]]*+(?=\s|$)|[。！？]++")

Switch = Callable[[str], bool]


def drop_reason(text: str, limits: C4Limits, is_on: Switch) -> Verdict | None:
    """Whether the page as a whole is dropped, before its lines are looked at."""
    lower = text.lower()
    if is_on("c4.curly_bracket") and "{" in text:
        return Verdict("c4.curly_bracket", text.count("{"), 0)
    if is_on("c4.lorem_ipsum") and "lorem ipsum" in lower:
        return Verdict("c4.lorem_ipsum", lower.count("lorem ipsum"), 0)
    if is_on("c4.blocked_words") and limits.blocked_words:
        blocked = {word.lower() for word in limits.blocked_words}
        found = sorted(blocked.intersection(re.findall(r"\w+", lower)))
        if found:
            return Verdict("c4.blocked_words", found[0], "none of the list")
    return None


def clean_lines(text: str, limits: C4Limits, is_on: Switch) -> str:
    """The text without the lines and marks that the line rules take out; blank lines stay."""
    if is_on("c4.citations"):
        text = CITATION.sub("", text)
    tests: list[Callable[[str], bool]] = []
    if is_on("c4.line_terminal_mark"):
        tests.append(lambda line: line.endswith(TERMINAL_MARKS) and not line.endswith("..."))
    if is_on("c4.line_words"):
        tests.append(lambda line: len(line.split()) >= limits.min_line_words)
    if is_on("c4.line_javascript"):
        tests.append(lambda line: "javascript" not in line.lower())
    if is_on("c4.line_policy"):
        tests.append(lambda line: not any(phrase in line.lower() for phrase in POLICY))
    if not tests:
        return text
    kept = [
        line
        for line in text.split("\n")
        if not line.strip() or all(test(line.rstrip()) for test in tests)
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n")


def count_sentences(text: str) -> int:
    """Number of sentence ends."""
    return len(SENTENCE_END.findall(text))


def too_few_sentences(text: str, limits: C4Limits, is_on: Switch) -> Verdict | None:
    """Whether too little running text is left."""
    if not is_on("c4.sentences"):
        return None
    count = count_sentences(text)
    if count < limits.min_sentences:
        return Verdict("c4.sentences", count, limits.min_sentences)
    return None
