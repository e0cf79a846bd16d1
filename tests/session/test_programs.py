"""Compiled programs are kept for the next start; whether one is compiled or loaded changes no bit."""

import os
from pathlib import Path
from unittest import mock

import pytest

from flowengine.run import compile_cache, platform
from flowengine.run.compile_cache import FOLDER
from kit.manifests import DENOISE, EXACT, SAMPLE, write_flow
from kit.runs import final_state, run, summary


def loops(folder) -> set:
    """The compiled loops below a folder: as files that nothing has written again."""
    return {(file, file.stat().st_mtime_ns) for file in folder.rglob("jit_advance-*")}


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """An empty folder that the user has named for all flows."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "shared"))
    return tmp_path / "shared"


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(DENOISE, id="pd3o", marks=pytest.mark.thorough),
        pytest.param(EXACT, id="fourier"),
        pytest.param(SAMPLE, id="sampler", marks=pytest.mark.thorough),
    ],
)
def test_a_loaded_program_gives_the_bits_of_a_compiled_one(tmp_path, shared, template) -> None:
    """Other tests share programs, so that the one whole run and the parts of another often are one file."""
    manifest = write_flow(tmp_path / "flow", template, dtype="float32", limit=400)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run("run", manifest, "--root", whole, "--quiet")
    compiled = loops(shared)
    assert len(compiled) == 1
    run("run", manifest, "--root", parts, "--until", "130", "--quiet", code=75)
    assert loops(shared) == compiled
    for file, _ in compiled:
        file.unlink()
    run("run", manifest, "--root", parts, "--quiet")
    assert len(loops(shared)) == 1
    assert final_state(parts) == final_state(whole)
    assert summary(parts)["sha256"] == summary(whole)["sha256"]


@pytest.mark.parametrize(("named", "place"), [("", "root/cache"), ("shared", "shared")])
def test_programs_are_beside_the_checkpoints_unless_the_user_names_a_folder(
    tmp_path, monkeypatch, named, place
) -> None:
    monkeypatch.setattr(compile_cache, "SHARED", named and str(tmp_path / named))
    with mock.patch.dict(os.environ):
        platform.prepare(2, tmp_path / "root" / "cache")
        assert Path(os.environ[FOLDER]).parent == tmp_path / place


@pytest.mark.thorough
def test_a_damaged_program_and_a_folder_that_cannot_be_written_stop_no_flow(tmp_path, shared, monkeypatch) -> None:
    manifest = write_flow(tmp_path / "flow", limit=200)
    run("run", manifest, "--root", tmp_path / "first", "--quiet")
    for file, _ in loops(shared):
        file.write_bytes(file.read_bytes()[:1000])
    run("run", manifest, "--root", tmp_path / "damaged", "--quiet")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(FOLDER, str(tmp_path / "file"))
    run("run", manifest, "--root", tmp_path / "nowhere", "--quiet")
    found = [summary(tmp_path / name)["sha256"] for name in ("first", "damaged", "nowhere")]
    assert found == found[:1] * 3
