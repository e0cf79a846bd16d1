"""A start loads and compiles no more than it needs: every recovery waits for it."""

import itertools
import signal
import subprocess
import sys

from kit.pod import Pod
from kit.runs import saved, wait_until

WATCHED = """
import sys
from importlib.util import _LazyModule
from flowengine.cli import engine
load = engine.load_jax
def watched():
    found = load()
    import jax.monitoring
    jax.monitoring.register_event_listener(
        lambda event, **_: print("PROGRAM", flush=True) if event.endswith("/compile_requests_use_cache") else None
    )
    return found
engine.load_jax = watched
code = engine.main(sys.argv[1:])
print("LOADED", *(name for name, module in sys.modules.items() if type(module) is not _LazyModule))
sys.exit(code)
"""


def test_a_resumed_start_asks_for_one_program_and_loads_no_more_than_it_needs(tmp_path) -> None:
    """Every small program beside the loop would take 0.01 s of each recovery, and so would many a module."""
    pod = Pod(tmp_path, limit=10**8, every=1000)
    first = pod.start(1)
    wait_until(first, lambda: saved(pod.volume) > 0)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    second = pod.start(2, engine=(sys.executable, "-c", WATCHED))
    lines = list(itertools.takewhile(lambda line: '"Running"' not in line, second.stdout))
    second.send_signal(signal.SIGTERM)
    rest = second.communicate(timeout=60)[0].splitlines()
    assert second.returncode == 75
    assert sum(line.startswith("PROGRAM") for line in lines) == 1
    loaded = set(next(line for line in rest if line.startswith("LOADED")).split())
    assert "jax._src.pjit" in loaded
    assert not loaded & {"jaxtyping", "etils", "jax.nn", "jax.debug", "jaxlib.mosaic.python.tpu", "scipy", "rich"}


def test_what_a_start_leaves_out_is_there_when_touched() -> None:
    """An entry point may use all of jax, and whatever else is installed."""
    code = """
from flowengine.run.platform import prepare
from flowengine.run.jax_import import LATER, load_jax
prepare(1)
load_jax()
import sys
import jax
from importlib.util import _LazyModule
later = {name for name in LATER if type(sys.modules[name]) is _LazyModule}
assert later == LATER, LATER - later
import etils.epath, jax.scipy.linalg, jax.nn
assert float(jax.nn.softplus(0.0)) > 0.6
assert jax.scipy.special.xlogy(1.0, 1.0) == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True)
