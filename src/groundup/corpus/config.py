"""Settings of the corpus stage, and the names of its rules in the order they are applied."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from groundup.core.config import INPUT, VOLATILE, Config, StageConfig

__all__ = [
    "RULES",
    "C4Limits",
    "CorpusConfig",
    "GopherLimits",
    "NearDuplicates",
    "RepeatedParagraphs",
    "RepetitionLimits",
]

RULES = {
    "empty_page": "extraction",
    "page_size": "extraction",
    "same_payload": "duplicates",
    "broken_encoding": "extraction",
    "nesting": "extraction",
    "no_text": "extraction",
    "language": "language",
    "language_confidence": "language",
    "gopher.min_words": "quality",
    "gopher.max_words": "quality",
    "gopher.min_mean_word_length": "quality",
    "gopher.max_mean_word_length": "quality",
    "gopher.symbols": "quality",
    "gopher.bullet_lines": "quality",
    "gopher.ellipsis_lines": "quality",
    "gopher.alphabetic_words": "quality",
    "gopher.stop_words": "quality",
    "repetition.lines": "quality",
    "repetition.paragraphs": "quality",
    "repetition.line_chars": "quality",
    "repetition.paragraph_chars": "quality",
    "repetition.top_2gram": "quality",
    "repetition.top_3gram": "quality",
    "repetition.top_4gram": "quality",
    "repetition.repeated_5grams": "quality",
    "repetition.repeated_6grams": "quality",
    "repetition.repeated_7grams": "quality",
    "repetition.repeated_8grams": "quality",
    "repetition.repeated_9grams": "quality",
    "repetition.repeated_10grams": "quality",
    "c4.curly_bracket": "quality",
    "c4.lorem_ipsum": "quality",
    "c4.blocked_words": "quality",
    "c4.citations": "quality",
    "c4.line_terminal_mark": "quality",
    "c4.line_words": "quality",
    "c4.line_javascript": "quality",
    "c4.line_policy": "quality",
    "c4.sentences": "quality",
    "same_text": "duplicates",
    "near_duplicate": "duplicates",
    "repeated_paragraphs": "duplicates",
}
"""Every rule in the order of the funnel, with the step it belongs to."""

FAMILIES = ("gopher", "repetition", "c4")
ALWAYS_ON = frozenset({"empty_page", "nesting", "no_text"})
"""Rules without which a page has no text or stops the program."""
LINE_RULES = frozenset(
    {
        "c4.citations",
        "c4.line_terminal_mark",
        "c4.line_words",
        "c4.line_javascript",
        "c4.line_policy",
    }
)
"""Rules that take lines or marks out of a page and never drop it themselves."""

Fraction = Annotated[float, Field(ge=0, le=1)]


class GopherLimits(Config, frozen=True):
    """Quality limits. Source: Rae et al. 2021, arXiv 2112.11446, appendix A.1.1."""

    min_words: Annotated[int, Field(ge=0)] = 50
    """Fewest words of a document."""
    max_words: Annotated[int, Field(ge=1)] = 100_000
    """Most words of a document."""
    min_mean_word_length: float = 3.0
    """Smallest mean length of a word, in characters."""
    max_mean_word_length: float = 10.0
    """Largest mean length of a word, in characters."""
    max_symbols_per_word: float = 0.1
    """Most hash signs, and most ellipses, for each word."""
    max_bullet_lines_fraction: Fraction = 0.9
    """Largest fraction of lines that begin with a bullet."""
    max_ellipsis_lines_fraction: Fraction = 0.3
    """Largest fraction of lines that end with an ellipsis."""
    min_alphabetic_words_fraction: Fraction = 0.8
    """Smallest fraction of words with at least one letter."""
    min_stop_words: int = 2
    """Fewest different words out of the, be, to, of, and, that, have, with; English only."""


class RepetitionLimits(Config, frozen=True):
    """Repetition limits. Source: Rae et al. 2021, arXiv 2112.11446, table A1."""

    max_lines_fraction: Fraction = 0.30
    """Largest fraction of lines that repeat an earlier line."""
    max_paragraphs_fraction: Fraction = 0.30
    """Largest fraction of paragraphs that repeat an earlier paragraph."""
    max_line_chars_fraction: Fraction = 0.20
    """Largest fraction of characters in lines that repeat an earlier line."""
    max_paragraph_chars_fraction: Fraction = 0.20
    """Largest fraction of characters in paragraphs that repeat an earlier paragraph."""
    max_top_2gram_fraction: Fraction = 0.20
    """Largest fraction of characters in the most frequent pair of words."""
    max_top_3gram_fraction: Fraction = 0.18
    """Largest fraction of characters in the most frequent three words."""
    max_top_4gram_fraction: Fraction = 0.16
    """Largest fraction of characters in the most frequent four words."""
    max_repeated_5grams_fraction: Fraction = 0.15
    """Largest fraction of characters in repeated runs of 5 words."""
    max_repeated_6grams_fraction: Fraction = 0.14
    """Largest fraction of characters in repeated runs of 6 words."""
    max_repeated_7grams_fraction: Fraction = 0.13
    """Largest fraction of characters in repeated runs of 7 words."""
    max_repeated_8grams_fraction: Fraction = 0.12
    """Largest fraction of characters in repeated runs of 8 words."""
    max_repeated_9grams_fraction: Fraction = 0.11
    """Largest fraction of characters in repeated runs of 9 words."""
    max_repeated_10grams_fraction: Fraction = 0.10
    """Largest fraction of characters in repeated runs of 10 words."""


class C4Limits(Config, frozen=True):
    """Limits of C4. Source: Raffel et al. 2020, arXiv 1910.10683v4, section 2.2."""

    min_sentences: int = 3
    """Fewest sentences of a document, counted after the line rules."""
    min_line_words: int = 5
    """Fewest words of a line that is kept."""
    blocked_words: tuple[str, ...] = ()
    """A document with one of these words, in any case, is dropped."""


class NearDuplicates(Config, frozen=True):
    """MinHash with banding: which documents count as nearly equal.

    With b bands of r hashes, two documents whose sets of word n-grams have Jaccard similarity s
    meet with probability 1 - (1 - s^r)^b: 0.5 at s = 0.69 and 0.92 at s = 0.8 for 14 x 8.
    Source of the defaults: Penedo et al. 2024, arXiv 2406.17557, section 3.4.
    """

    bands: Annotated[int, Field(ge=1)] = 14
    """Number of bands."""
    hashes_per_band: Annotated[int, Field(ge=1)] = 8
    """Hashes that must all agree in one band."""
    words: Annotated[int, Field(ge=1)] = 5
    """Length of the word n-grams."""


class RepeatedParagraphs(Config, frozen=True):
    """Removal of paragraphs that an earlier document has. Source: CCNet, arXiv 1911.00359, 3.1."""

    min_chars: Annotated[int, Field(ge=1)] = 40
    """Shorter paragraphs stay, however often they occur."""
    min_words_left: Annotated[int, Field(ge=1)] = 20
    """A document that lost paragraphs and has fewer words left is dropped."""


class CorpusConfig(StageConfig, frozen=True):
    """Cleans crawled pages into documents."""

    crawl: Annotated[str, INPUT]
    """The crawl to clean: a recipe or a run directory."""
    extraction: Literal["main", "all"] = "main"
    """`main` keeps the main text of a page; `all` keeps everything visible, such as tables."""
    skip_elements: tuple[str, ...] = ("figure", "aside", "button", "form", "table.infobox")
    """CSS selectors of elements whose text is left out."""
    paragraph_tags: tuple[Annotated[str, Field(pattern="^[a-z][a-z0-9]*$")], ...] = ()
    """Tags of elements that become paragraphs of their own, such as `dl`."""
    max_page_bytes: Annotated[int, Field(ge=1)] = 10_000_000
    """Larger pages are dropped."""
    languages: tuple[str, ...] = ("en",)
    """Languages to keep, as fastText names them (`en`, `de`, `zh`); empty keeps all."""
    min_language_confidence: Fraction = 0.5
    """Smallest probability of the most likely language."""
    off: tuple[str, ...] = ("c4.line_terminal_mark", "c4.line_words", "c4.citations")
    """Rules that are not applied, by name as in the funnel; `c4` switches off all `c4.*`."""
    gopher: GopherLimits = GopherLimits()
    """Limits of the rules `gopher.*`."""
    repetition: RepetitionLimits = RepetitionLimits()
    """Limits of the rules `repetition.*`."""
    c4: C4Limits = C4Limits()
    """Limits of the rules `c4.*`."""
    near: NearDuplicates = NearDuplicates()
    """What `near_duplicate` means."""
    drop_repeated_paragraphs: bool = False
    """Whether a paragraph that an earlier document has is taken out."""
    paragraphs: RepeatedParagraphs = RepeatedParagraphs()
    """Which paragraphs `drop_repeated_paragraphs` takes out."""
    validation_fraction: Fraction = 0.03
    """Fraction of the documents kept for validation, chosen by hash of their id."""
    seed: int = 1
    """Seed of that choice."""
    workers: Annotated[int | None, Field(ge=1), VOLATILE] = None
    """Processes that clean pages; one for each core when not given."""

    @field_validator("off")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in RULES and name not in FAMILIES:
                raise ValueError(f"there is no rule {name!r}; known: {', '.join(RULES)}")
            if name in ALWAYS_ON:
                raise ValueError(f"{name} cannot be switched off")
        return names

    def is_on(self, rule: str) -> bool:
        """Whether a rule is applied."""
        if rule == "repeated_paragraphs" and not self.drop_repeated_paragraphs:
            return False
        if rule in ("language", "language_confidence") and not self.languages:
            return False
        return rule not in self.off and rule.partition(".")[0] not in self.off

    def dropping_rules(self) -> tuple[str, ...]:
        """Rules in force that can drop a page, in the order of the funnel."""
        return tuple(rule for rule in RULES if rule not in LINE_RULES and self.is_on(rule))
