"""What every test layer shares: which tests run, the cluster, and with `CFLOW_STRICT=1` a skipped test is a failed one."""

import gc
import itertools
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from kit import cluster as kit
from kit import messages, programs

programs.keep()
messages.listen()
STRICT = os.environ.get("CFLOW_STRICT") == "1"

settings.register_profile("fast", deadline=None, max_examples=15)
settings.register_profile("thorough", deadline=None, max_examples=200)


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="run the full matrices too (marked `thorough`)")


class AtOnce:
    """Says what failed when it fails, so that a run that is cut off has said it."""

    def __init__(self, config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            terminal.ensure_newline()
            terminal.write_line(f"FAILED {report.nodeid} ({report.when})\n{report.longreprtext}", red=True)


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # the one that starts the workers
        programs.sweep()
        config.pluginmanager.register(AtOnce(config))
        if getattr(config.option, "numprocesses", None):
            programs.hide()  # workers make up their own minds
    for one in programs.HARMLESS:
        config.addinivalue_line("filterwarnings", one)
    settings.load_profile("thorough" if config.getoption("--thorough") else "fast")


def pytest_collection_finish():
    programs.hide()


SHARING = ("cluster", "cluster_kit", "docs")  # folders of tests/ whose tests use the cluster


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests that share the cluster run one after another: what one does to nodes or operator, another would feel.

    So do those with a control plane of their worker's, which is dear to start, unless `--dist loadfile` spreads them.
    The others are spread one by one.
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneCluster(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            folder = nodeid.removeprefix("tests/").split("/")[0]
            if folder in SHARING:
                return "cluster"
            if folder == "apiserver":
                return nodeid.split("::")[0] if config.option.dist == "loadfile" else folder
            return nodeid

    return OneCluster(config, log)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--thorough"):
        left_out = [item for item in items if item.get_closest_marker("thorough")]
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        if "cluster" in item.fixturenames:
            item.add_marker(pytest.mark.cluster)
            if item.path.relative_to(Path(__file__).parent).parts[0] not in SHARING:
                raise pytest.UsageError(f"{item.nodeid} uses the cluster: put its folder into SHARING")
    items.sort(key=lambda item: item.path.name == "test_teardown.py")  # it takes the cluster away


MANY_MAPS = 20_000  # of the 65,530 memory maps that Linux gives a process; every compiled program holds a few
SOME_TESTS = 10  # after which the maps are counted, for there may be thousands to read
_tests = itertools.count(1)


@pytest.fixture(autouse=True)
def _not_too_many_programs():
    """Thousands of compiled programs in one process end in a segmentation fault of the compiler."""
    yield
    maps = Path("/proc/self/maps")
    if (
        "jax" in sys.modules
        and next(_tests) % SOME_TESTS == 0
        and maps.exists()
        and maps.read_bytes().count(b"\n") > MANY_MAPS
    ):
        sys.modules["jax"].clear_caches()
        gc.collect()


@pytest.fixture(autouse=True)
def _every_sentence_has_a_row():
    """Whatever error or warning the code made in this process meanwhile is on the page of messages."""
    messages.listen_to_runs()
    yield
    assert messages.unknown() == [], "docs/reference/messages.md has no row for these; run `make crd`"


@pytest.fixture
def rng():
    """Each test draws the same numbers, whatever ran before it."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def cluster():
    try:
        return kit.ensure()
    except kit.KitError as error:
        if os.environ.get("CFLOW_REQUIRE_CLUSTER") == "1":
            raise
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI allows no skip: {reason}"
    return report


def pytest_terminal_summary(terminalreporter):
    """The time of each layer: where the next minute is to be saved."""
    spent: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = "/".join(report.nodeid.split("::")[0].split("/")[:-1])
                spent[folder] += report.duration
                counts[folder] += report.when == "call"
    if spent:
        terminalreporter.section("time of each folder, in seconds of all workers")
        for folder, seconds in spent.most_common():
            terminalreporter.write_line(f"{seconds:8.1f} s  {counts[folder]:5d} tests  {folder}")
