import pytest

from kit.memory import in_memory


@pytest.fixture
def tmp_path(tmp_path):
    """What these tests kill, tear and flip is the protocol; the disk has its own tests."""
    with in_memory(tmp_path) as folder:
        yield folder
