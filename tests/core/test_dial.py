from collections.abc import Mapping
from typing import Annotated, Any

import pytest

from groundup.core.config import DIAL, VOLATILE, StageConfig, semantic, validate
from groundup.core.dial import turn
from groundup.core.errors import ConfigError


class Oven(StageConfig, frozen=True):
    """A stage with a dial: at level n the oven bakes n times 50 degrees for 60 / n minutes."""

    level: Annotated[int | None, VOLATILE, DIAL] = None
    """Dial."""
    degrees: int = 20
    """Heat."""
    minutes: int = 0
    """Time."""

    @classmethod
    def expand(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        level = values.get("level")
        if not isinstance(level, int) or level < 1:
            return dict(values)
        return {"degrees": 50 * level, "minutes": 60 // level, **values}


def oven(arguments, target="bread", **recipe):
    loaded = {"bread": validate(Oven, recipe, source="recipe")}
    return turn(loaded, {"bread": recipe}, arguments, target=target)["bread"]


def test_a_dial_in_the_recipe_fills_in_what_is_open():
    bread = validate(Oven, {"level": 4, "minutes": 5}, source="recipe")
    assert (bread.degrees, bread.minutes) == (200, 5)


def test_a_dial_is_not_part_of_the_key_but_what_it_gives_is():
    assert semantic(validate(Oven, {"level": 4}, source="recipe")) == {
        "degrees": 200,
        "minutes": 15,
    }


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["--level", "4"], "bread"),
        (["--degrees", "7", "--level=4"], "bread"),
        (["--bread.level", "4"], None),
        (["--level", "1", "--level", "4"], "bread"),
    ],
)
def test_a_dial_among_the_flags_does_the_same(arguments, target):
    assert oven(arguments, target) == validate(Oven, {"level": 4}, source="recipe")


def test_a_flag_replaces_the_recipes_dial():
    assert oven(["--level", "4"], level=1) == validate(Oven, {"level": 4}, source="recipe")


@pytest.mark.parametrize("arguments", [["--level", "hot"], ["--level"], ["--cake.level", "2"], []])
def test_what_is_no_number_or_not_this_dial_is_left_to_the_parser(arguments):
    assert oven(arguments) == Oven()


def test_the_recipes_own_values_stay_and_are_named(caplog):
    assert oven(["--level", "4"], minutes=9, name="b").minutes == 9
    assert "--level 4: the recipe's own minutes stay" in caplog.text


def test_nothing_is_said_when_the_dial_decides_everything(caplog):
    oven(["--level", "4"], level=1)
    assert caplog.text == ""


def test_what_follows_from_a_dial_is_checked():
    recipe = {"minutes": "long"}
    with pytest.raises(ConfigError, match="--level 2: minutes"):
        turn({"bread": Oven()}, {"bread": recipe}, ["--level", "2"], target="bread")
