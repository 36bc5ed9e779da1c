from generate_cases import TOKENIZER
from hypothesis import given
from hypothesis import strategies as st

from groundup.generate.text import TextStream

BYTES = {value: value for value in range(256)}


def _pieces(ids, stop=()):
    stream = TextStream(TOKENIZER, stop)
    pieces = [stream.push(id) for id in ids]
    return [*pieces, stream.finish()], stream


@given(st.lists(st.integers(0, TOKENIZER.vocab_size - 1), max_size=30))
def test_pieces_join_to_the_decoded_text(ids):
    pieces, _ = _pieces(ids)
    assert "".join(pieces) == TOKENIZER.decode(ids, skip_special=True)


@given(st.text(alphabet="aé€😀", max_size=12))
def test_no_piece_holds_half_a_character(text):
    pieces, _ = _pieces(text.encode())  # one token a byte
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)
    assert pieces[-1] == ""


def test_a_cut_character_shows_as_one_replacement_at_the_end():
    pieces, _ = _pieces("a€".encode()[:-1])
    assert pieces == ["a", "", "", "\ufffd"]


def test_a_stop_text_across_tokens_never_shows():
    pieces, stream = _pieces(b"one\n\nUser: two", stop=("\n\nUser:",))
    assert "".join(pieces) == "one"
    assert stream.stopped
    assert pieces[:3] == ["o", "n", "e"]
    assert set(pieces[3:]) == {""}


def test_what_only_began_like_a_stop_text_shows_late():
    pieces, stream = _pieces(b"aXXbXXX", stop=("XXY",))
    assert pieces == ["a", "", "", "XXb", "", "", "X", "XX"]
    assert not stream.stopped


@given(
    st.text(alphabet="ab", max_size=20),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=3),
)
def test_text_is_cut_at_the_first_stop_text_of_any(text, stops):
    pieces, stream = _pieces(text.encode(), stop=tuple(stops))
    found = [text.find(stop) for stop in stops if stop in text]
    # A stream sees the stop text that ends first; at equal ends, the one that begins first.
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    assert "".join(pieces) == (text[: min(ends)[1]] if found else text)
    assert stream.stopped == bool(found)


def test_special_tokens_have_no_text():
    pieces, _ = _pieces([97, TOKENIZER.end_id, 98])
    assert "".join(pieces) == "ab"
