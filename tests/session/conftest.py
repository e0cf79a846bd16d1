import pytest

from flowengine.run.platform import CACHE_FOLDER, prepare

prepare(2)


@pytest.fixture(scope="session")
def programs(tmp_path_factory, request):
    """Where all flows of a test run keep their compiled programs."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "programs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def _shared_programs(programs, monkeypatch):
    """A command of these tests compiles what no other one has compiled."""
    monkeypatch.setenv(CACHE_FOLDER, str(programs))


@pytest.fixture
def own_programs(_shared_programs, monkeypatch):
    """Each root has its own programs, as without the user's wish: the first start in it is a cold one."""
    monkeypatch.delenv(CACHE_FOLDER)
