"""The tests' own compiled programs: kept from run to run, and no run breaks by a damaged one."""

import os
import subprocess
import sys

import pytest

from flowengine.run import compile_cache
from kit import programs

COMPUTE = """
import sys, warnings
from pathlib import Path
from kit import programs
programs.keep(Path(sys.argv[1]))
if "swept" in sys.argv: programs.sweep()
import jax
warnings.simplefilter("error")
for one in programs.HARMLESS: warnings.filterwarnings("ignore", message=one.split(":", 1)[1])
heard = []
jax.monitoring.register_event_listener(lambda event, **_: heard.append(event))
assert jax.jit(lambda x: 2 * x + 1)(1.5) == 4
print(sum(event.endswith("cache_hits") for event in heard))
"""


def hits(folder, *more: str) -> int:
    """How many programs a new process finds there."""
    done = subprocess.run([sys.executable, "-c", COMPUTE, folder, *more], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    assert hits(folder) == 0
    return folder


def test_a_program_is_found_again_a_damaged_one_breaks_nothing_and_is_swept(kept) -> None:
    assert hits(kept) > 0
    for file in kept.glob("*/*-cache"):
        file.write_bytes(file.read_bytes()[:-20])
    assert hits(kept) == 0
    assert hits(kept, "swept") == 0
    assert hits(kept) > 0


def test_processes_that_tests_start_know_nothing_of_it() -> None:
    assert compile_cache.FOLDER not in os.environ
    assert os.environ["NPROC"] == str(programs.THREADS)
