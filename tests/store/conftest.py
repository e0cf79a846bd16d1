import os
import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path(os.environ.get("CFLOW_TEST_MEMORY", "/dev/shm"))


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where there is some: what these tests kill, tear and flip is the protocol; the disk has its own tests."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=MEMORY, prefix="cflow-store-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
