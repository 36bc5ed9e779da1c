"""Where a process stands among others, as the environment says it."""

import pytest

from groundup.core.errors import ConfigError
from groundup.core.place import Place, find_place

# As `torchrun --nnodes 2 --node-rank 1 --nproc-per-node 4` sets them for its second process.
TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "host0",
    "MASTER_PORT": "29500",
}


def test_a_process_without_the_variables_is_alone():
    assert find_place({}) == Place()
    assert find_place({"MASTER_PORT": "29500", "LOCAL_RANK": "0"}) == Place()


def test_a_process_of_torchrun_knows_its_place():
    assert find_place(TORCHRUN) == Place(5, 8, 1, 4, ("host0", 29500))


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"])
def test_half_of_the_variables_is_an_error_that_names_the_others(missing):
    rest = {name: value for name, value in TORCHRUN.items() if name != missing}
    with pytest.raises(ConfigError, match=f"but {missing} are not") as refused:
        find_place(rest)
    assert "torchrun" in refused.value.hint


def test_world_size_alone_is_an_error():
    with pytest.raises(ConfigError, match="WORLD_SIZE are set but RANK and LOCAL_RANK"):
        find_place({"WORLD_SIZE": "2"})


@pytest.mark.parametrize(
    "wrong", [{"RANK": "8"}, {"LOCAL_RANK": "4"}, {"WORLD_SIZE": "two"}, {"LOCAL_WORLD_SIZE": "9"}]
)
def test_values_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}="):
        find_place({**TORCHRUN, **wrong})
