"""Language identification on real sentences, and what of a page it is shown."""

import pytest

from groundup.corpus.language import SAMPLE_CHARS, LanguageModel, sample

ARTICLE_1 = {  # Universal Declaration of Human Rights, article 1
    "en": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "ja": "すべての人間は、生まれながらにして自由であり、尊厳と権利とについて平等である。",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
}


@pytest.fixture(scope="module")
def model():
    return LanguageModel()


@pytest.mark.parametrize("language", ARTICLE_1)
def test_languages_are_told_apart(model, language):
    found, confidence = model.detect(ARTICLE_1[language])
    assert found == language
    assert 0.5 < confidence <= 1.0


def test_menus_in_another_language_do_not_decide(model):
    menu = "\n".join(["Startseite", "Über uns", "Impressum", "Suche", "Anmelden"] * 10)
    page = menu + "\n" + (ARTICLE_1["en"] + " ") * 10
    assert model.detect(page)[0] == "en"


def test_nothing_to_see_has_no_language(model):
    assert model.detect("") == ("", 0.0)
    assert model.detect(" \n\t") == ("", 0.0)


def test_the_sample_is_short_and_on_one_line():
    shown = sample("word of a long line that runs on and on\n" * 100)
    assert len(shown) <= SAMPLE_CHARS
    assert "\n" not in shown
    assert sample("short\nlines") == "short lines"
