from groundup.cli.emergence import MEANINGS
from groundup.cli.main import main
from groundup.scaling import emergence


def test_a_verdict_is_printed_with_what_it_means(tmp_path, capsys):
    lines = ["model,params,tokens,task,acc,log_prob"]
    lines += [f"m,1e6,{10 ** (8 + n / 4)},hard,0.25,{-4 + 0.01 * n}" for n in range(8)]
    table = tmp_path / "results.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    flags = ["--chance", "0.25", "--bootstrap", "10"]
    assert main(["scale", "emergence", "--table", str(table), *flags]) == 0
    shown = capsys.readouterr().out
    assert "verdict: absent" in shown
    assert MEANINGS["absent"] in shown
    assert "1 curves only" in shown


def test_every_verdict_has_a_meaning():
    for verdict in MEANINGS:
        assert verdict in str(emergence.__doc__) or verdict == "undecided"
