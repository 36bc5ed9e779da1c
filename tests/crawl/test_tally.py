import json
from collections import Counter

from groundup.crawl.tally import Damage, Tally


def test_everything_read_is_kept_or_dropped_and_sums_add_up():
    one = Tally(pages=3, size_bytes=30, dropped=Counter(a=1, b=2))
    two = Tally(pages=1, size_bytes=5, dropped=Counter(b=4), damage=[Damage("f", 7, 9, "why")])
    total = Tally.total([one, two])
    assert (total.read, total.pages, total.dropped.total()) == (11, 4, 7)
    report = total.report()
    assert report["read"] == report["pages"] + sum(report["dropped"].values())
    assert list(report["dropped"]) == ["b", "a"]
    assert report["damage"]["places"] == 1
    assert report["damage"]["size_bytes"] == 9


def test_a_tally_survives_json():
    tally = Tally(2, 10, Counter(x=1), [Damage("f", 1, 2, "r")])
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally


def test_only_the_first_places_are_listed_but_all_are_counted():
    damage = [Damage("f", i, 1, "r") for i in range(250)]
    report = Tally(damage=damage).report()["damage"]
    assert (report["places"], len(report["first"])) == (250, 100)
