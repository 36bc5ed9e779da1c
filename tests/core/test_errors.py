import errno
import pickle

import pytest

from groundup.core import errors
from groundup.core.errors import (
    Cancelled,
    ConfigError,
    DataError,
    GroundupError,
    NetworkError,
    NumericalError,
    ResourceError,
    ShapeError,
    from_os_error,
)


def kinds(parent=GroundupError):
    yield parent
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from kinds(child)


def example(kind):
    if kind is NumericalError:
        return kind("loss is nan", hint="lower lr", step=7, quantity="loss_nats")
    if kind is DataError:
        return kind("bad row", hint="fix it", source="a.jsonl", offset=3)
    if kind is NetworkError:
        return kind("not found", hint="try again", url="http://x", status=404)
    return kind("it failed", hint="do that")


@pytest.mark.parametrize("kind", [*kinds()])
def test_every_error_survives_the_way_to_another_process(kind):
    before = example(kind)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is kind
    assert (str(after), after.__dict__) == (str(before), before.__dict__)
    assert after.args == before.args


@pytest.mark.parametrize("kind", [*kinds()])
def test_every_error_is_public_and_in_the_drawn_tree(kind):
    assert kind.__name__ in errors.__all__
    assert kind.__name__ in errors.__doc__


def test_exit_codes_tell_whose_mistake_it_was():
    ours = {kind for kind in kinds() if kind.exit_code == 1}
    assert ours == {ShapeError, NumericalError}
    assert Cancelled("x").exit_code == 130
    assert all(kind.exit_code == 2 for kind in kinds() if kind not in {*ours, Cancelled})


def test_config_and_shape_errors_are_value_errors():
    assert issubclass(ConfigError, ValueError)
    assert issubclass(ShapeError, ValueError)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "read-only"),
    ],
)
def test_system_errors_that_users_can_solve_are_put_in_words(number, words):
    error = from_os_error(OSError(number, "raw", "/runs/a.bin"))
    assert isinstance(error, ResourceError)
    assert words in error.message
    assert "/runs/a.bin" in error.message
    assert error.hint


@pytest.mark.parametrize("error", [OSError(errno.EIO, "raw"), OSError("no number"), OSError()])
def test_other_system_errors_are_left_alone(error):
    assert from_os_error(error) is None


def test_a_system_error_without_a_path_names_none():
    error = from_os_error(OSError(errno.ENOSPC, "raw"))
    assert error.message == "no space left on the disk"
