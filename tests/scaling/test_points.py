import gzip

import pytest

from groundup.core.errors import ConfigError, DataError
from groundup.scaling.points import read_points

HEADER = "run_id,N_total,N_matmul,N_body,D,val_loss,trunk,tokenizer_hash\n"
ROWS = "a,120,100,80,2000,3.5,t1,x\nb,120,100,80,4000,3.2,t1,x\nc,220,200,160,4000,3.0,t2,x\n"


def write(tmp_path, text, name="points.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_our_own_table_counts_matrices_and_groups_branches(tmp_path):
    points = read_points(write(tmp_path, "# origin: a test\n" + HEADER + ROWS))
    assert points.n.tolist() == [100, 100, 200]
    assert points.c.tolist() == [6 * 100 * 2000, 6 * 100 * 4000, 6 * 200 * 4000]
    assert points.trunk == ("t1", "t1", "t2")
    assert points.counts == "matrix"


def test_columns_can_be_named(tmp_path):
    text = "size,seen,nats\n10,1000,3.5\n20,1000,3.0\n"
    points = read_points(write(tmp_path, text), columns={"N": "size", "D": "seen", "loss": "nats"})
    assert points.loss.tolist() == [3.5, 3.0]


def test_tokens_follow_from_operations(tmp_path):
    points = read_points(write(tmp_path, "N,C,loss\n10,6000,3.5\n"))
    assert points.d.tolist() == [100]


def test_perplexities_are_taken_by_their_logarithm(tmp_path):
    points = read_points(write(tmp_path, "N,D,ppl\n10,100,20.085536923187668\n"))
    assert points.loss.tolist() == pytest.approx([3.0])


def test_a_gzip_table_is_read(tmp_path):
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ROWS).encode()))
    assert len(read_points(path)) == 3


def test_mixed_tokenizers_are_refused_with_the_choice(tmp_path):
    path = write(tmp_path, HEADER + ROWS + "d,120,100,80,2000,1.2,t3,y\n")
    with pytest.raises(ConfigError, match=r"tokenizer_hash \(x, y\)") as caught:
        read_points(path)
    assert "--where tokenizer_hash=x (3 rows)" in caught.value.hint
    assert len(read_points(path, where=["tokenizer_hash=x"])) == 3


def test_a_published_table_of_five_recipes_is_refused_with_the_columns(published):
    with pytest.raises(ConfigError) as caught:
        read_points(published("isoflop-refinedweb.csv"))
    for column in ("hparams", "warmup", "decay", "param_count"):
        assert column in caught.value.message
        assert f"--where {column}=" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "where", "count"),
    [
        ("chinchilla-fig4-extracted.csv", (), 245),
        ("isoflop-refinedweb.csv", ("hparams=tuned",), 121),
        ("isoflop-refinedweb-optima.csv", ("hparams=tuned",), 12),
        ("overtraining-c4-rpj.csv", ("train_dataset=c4_original",), 34),
        (
            "pythia-evals-by-size-and-step.csv.gz",
            ("task=lambada_openai", "shots=0"),
            208,  # 8 models, 27 steps less the untrained one
        ),
    ],
)
def test_published_tables_are_recognised_by_their_columns(published, name, where, count):
    points = read_points(published(name), where=where)
    assert len(points) == count
    assert (points.loss > 0).all()


def test_rows_without_numbers_are_counted(tmp_path):
    points = read_points(write(tmp_path, "N,D,loss\n10,100,3\n10,,3\n10,0,3\n10,100,nan\n"))
    assert len(points) == 1
    assert list(points.dropped.values()) == [3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": ["colour=red"]}, "no column 'colour'"),
        ({"where": ["trunk=t9"]}, "leaves no row"),
        ({"columns": {"N": "size"}}, "no column 'size'"),
        ({"columns": {"M": "D"}}, "no quantity 'M'"),
    ],
)
def test_a_wrong_choice_is_named(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        read_points(write(tmp_path, HEADER + ROWS), **options)


def test_an_unrecognised_table_says_what_is_missing(tmp_path):
    with pytest.raises(ConfigError, match="recognised as N, loss, D or C") as caught:
        read_points(write(tmp_path, "size,seen\n1,2\n"))
    assert "--columns N=..." in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"N,D,loss\n", b"\xff\xfe\x00N", b"\x1f\x8bbroken"])
def test_what_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_points(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        read_points(tmp_path / "none.csv")


def test_the_worst_losses_can_be_left_out(tmp_path):
    points = read_points(write(tmp_path, HEADER + ROWS)).without_worst(1)
    assert points.loss.tolist() == [3.2, 3.0]
