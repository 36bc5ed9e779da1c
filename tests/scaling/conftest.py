from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "scaling"


@pytest.fixture
def published():
    """Path of a published table by name; the test is skipped where the tables are not at hand."""

    def path_of(name):
        path = SHARED / name
        if not path.is_file():
            pytest.skip(f"../shared/data/scaling/{name} is not at hand")
        return path

    return path_of
