import pytest

from flowengine.run.compile_cache import FOLDER
from flowengine.run.platform import prepare
from kit.manifests import write_flow
from kit.runs import run

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
    monkeypatch.setenv(FOLDER, str(programs))


@pytest.fixture
def own_programs(_shared_programs, monkeypatch):
    """Each root has its own programs, as without the user's wish: the first start in it is a cold one."""
    monkeypatch.delenv(FOLDER)


@pytest.fixture(scope="session")
def whole(tmp_path_factory, programs):
    """A flow of 900 iterations that nothing has interrupted: what `write_flow(folder, limit=900)` should come to."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(programs))
        run("run", write_flow(folder / "flow", limit=900), "--root", folder / "root", "--quiet")
    return folder / "root"
