"""The power is cut while a run writes to a real file system: what it was sure of is there when the disk is mounted again."""

import os
import random
import tempfile
from pathlib import Path

import pytest

from kit.store.cuts import Unsynced, lacking, losses, places, record

KINDS = ["ext4", pytest.param("xfs", marks=pytest.mark.thorough), pytest.param("btrfs", marks=pytest.mark.thorough)]


@pytest.fixture
def folder():
    """In memory where that goes: the images are mostly empty."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None, prefix="cflow-cuts-") as name:
        yield Path(name)


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    if missing := lacking(request.param):
        pytest.skip(missing)
    return request.param


@pytest.mark.parametrize("count", [6, pytest.param(48, marks=pytest.mark.thorough)])
def test_no_power_cut_loses_what_a_run_was_sure_of(folder, kind, count) -> None:
    run = record(folder, kind)
    assert [one for one in losses(run, folder, places(run, count), random.Random(5)) if one] == []


def test_without_its_syncs_a_run_loses(folder, kind) -> None:
    """The control: else the cuts above would show nothing."""
    run = record(folder, kind, Unsynced())
    assert any(losses(run, folder, places(run, 6), random.Random(5)))
