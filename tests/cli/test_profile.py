"""The table of a profile, from numbers made by hand."""

import pytest

from groundup.cli.profile import rows_of
from groundup.training.profile import PARTS, Profile


def test_the_table_adds_up():
    seconds = dict.fromkeys(PARTS, 0.0) | {"attention": 0.010, "backward": 0.030, "data": 0.010}
    flops = {"attention": 4e6, "backward": 8e6}
    rows = rows_of(Profile(seconds, flops, tokens=100, limit_flops=1e9, says=""))
    by_part = {row[0]: row[1:] for row in rows}
    assert by_part["attention"] == ("10.0", "20%", "40%")
    assert by_part["backward"] == ("30.0", "60%", "27%")
    assert by_part["data"] == ("10.0", "20%", "")
    assert rows[-1] == ("the whole step", "50.0", "100%", "24%")
    assert sum(float(row[1]) for row in rows[:-1]) == pytest.approx(50.0)
