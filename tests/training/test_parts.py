"""Tensors divided by rows over files are read back as they were, for any division."""

import pytest
import torch
from safetensors import SafetensorError

from groundup.training import parts

WHOLE = {
    "weight": torch.arange(21.0).view(7, 3),
    "bias": torch.arange(7.0),
    "step": torch.tensor(5.0),
}


def write(folder, n_files):
    """Divides rows as `fully_shard` does for `n_files` ranks; the first has the scalar too."""
    index = {}
    for rank in range(n_files):
        own, rows = {}, {}
        for name, value in WHOLE.items():
            if not value.ndim:
                if rank == 0:
                    own[name], rows[name] = value, [0, None]
                continue
            pieces = torch.chunk(value, n_files)
            if rank < len(pieces):
                own[name] = pieces[rank]
                rows[name] = [sum(len(piece) for piece in pieces[:rank]), len(value)]
        parts.write(own, folder / f"{rank}.safetensors")
        index[f"{rank}.safetensors"] = rows
    return index


@pytest.mark.parametrize("n_files", [1, 2, 4, 9])
def test_what_several_have_written_one_reads(tmp_path, n_files):
    index = write(tmp_path, n_files)
    with parts.saved_tensors(tmp_path, index) as saved:
        assert set(saved.names()) == set(WHOLE)
        for name, value in WHOLE.items():
            assert saved.shape(name) == value.shape
            into = torch.full_like(value, -1.0)
            saved.copy(name, into)
            assert torch.equal(into, value)


def test_a_file_that_is_none_is_noticed(tmp_path):
    index = write(tmp_path, 1)
    (tmp_path / "0.safetensors").write_bytes(b"no tensors")
    with pytest.raises(SafetensorError), parts.saved_tensors(tmp_path, index):
        pass
