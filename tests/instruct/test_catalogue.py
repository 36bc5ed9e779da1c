from collections import defaultdict

from groundup.instruct.catalogue import build_catalogue, distinct, split_of
from groundup.instruct.docstrings import read_docstring
from groundup.instruct.pydoc_pages import ApiObject
from groundup.instruct.signatures import parse_signature


def api(name: str, doc: str, signature: str = "(a, b=1)", module: str = "m") -> ApiObject:
    parsed = parse_signature(signature)
    return ApiObject(
        f"{module}.{name}",
        module,
        "function",
        parsed[0] if parsed else None,
        read_docstring(doc, name),
    )


def catalogue(objects):
    return build_catalogue(objects, seed=1, heldout_fraction=0.3, validation_fraction=0.1)


def test_the_same_docstring_is_kept_once_under_the_shortest_module():
    objects = [
        api("f", "Do this very thing.", module="pkg.inner"),
        api("f", "Do this very thing.", module="pkg"),
    ]
    assert [item.name for item in distinct(objects)] == ["pkg.f"]


def test_undocumented_objects_stay_while_their_signature_is_new():
    objects = [
        api("f", "", "(x)"),
        api("f", "", "(x)", module="mm"),
        api("f", "", "(y)", module="mmm"),
        api("g", "", "..."),
    ]
    assert [item.name for item in distinct(objects)] == ["m.f", "mmm.f"]


def test_shared_summaries_and_signatures_share_a_group_and_a_split():
    objects = [
        api(f"f{i}", f"Return the {i % 40}th name. Text {i}.", f"(a{i % 60})") for i in range(300)
    ]
    entries = catalogue(objects)
    by_summary = defaultdict(set)
    by_group = defaultdict(set)
    for entry in entries:
        by_summary[entry.object.doc.summary].add(entry.group)
        by_group[entry.group].add(entry.split)
    assert len(by_summary) == 40
    assert all(len(groups) == 1 for groups in by_summary.values())
    assert all(len(splits) == 1 for splits in by_group.values())


def test_shares_of_the_splits_are_those_asked_for():
    splits = [split_of(f"object {i}", 1, 0.15, 0.02) for i in range(20_000)]
    # Three standard deviations of a binomial share are .0076 and .0028.
    assert abs(splits.count("heldout") / 20_000 - 0.15) < 0.0076
    assert abs(splits.count("validation") / 17_000 - 0.02) < 0.0033


def test_new_objects_do_not_move_old_ones_between_splits():
    few = [api(f"f{i}", f"Return {i} names of things.", f"(a{i})") for i in range(50)]
    more = few + [api(f"g{i}", f"Delete {i} names of things.", f"(b{i})") for i in range(50)]
    before = {entry.object.name: entry.split for entry in catalogue(few)}
    after = {entry.object.name: entry.split for entry in catalogue(more)}
    assert before.items() <= after.items()


def test_what_is_held_out_is_not_shown_beside_other_objects():
    objects = []
    for i in range(60):
        objects.append(api(f"C{i}", f"Class of {i} things here.", f"(c{i})"))
        objects.append(api(f"C{i}.run", f"Run {i} things now.", f"(r{i})"))
    entries = {entry.object.name: entry for entry in catalogue(objects)}
    shown = hidden = 0
    for i in range(60):
        parent, child = entries[f"m.C{i}"], entries[f"m.C{i}.run"]
        if parent.split == "heldout" and child.split != "heldout":
            assert child.parent_summary == ""
            hidden += 1
        else:
            assert child.parent_summary == parent.object.doc.summary
            shown += 1
    assert shown
    assert hidden
