"""Compiled programs on the volume: a damaged one is dropped before jax meets it, and they can't grow without bound."""

import os
import zlib
from pathlib import Path

import pytest

from flowengine.run import compile_cache


def test_a_torn_or_rotten_program_is_dropped_and_the_others_stay(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(compile_cache.FOLDER, str(tmp_path))
    program = zlib.compress(bytes(range(256)) * 40)
    rotten = bytearray(program)
    rotten[len(rotten) // 2] ^= 1
    for name, data in {"good": program, "torn": program[:-20], "rotten": bytes(rotten), "empty": b""}.items():
        (tmp_path / name).write_bytes(data)
    compile_cache.sweep()
    assert [one.name for one in tmp_path.iterdir()] == ["good"]


def test_too_many_are_dropped_together(tmp_path, monkeypatch) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "one").write_bytes(zlib.compress(bytes(1000)))
    monkeypatch.setenv(compile_cache.FOLDER, str(tmp_path / "cache"))
    compile_cache.sweep(most=10)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("folder", ["nothing", None])
def test_no_folder_is_no_error(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(compile_cache.FOLDER, raising=False)
    if folder:
        monkeypatch.setenv(compile_cache.FOLDER, str(tmp_path / folder))
    compile_cache.sweep()


def test_only_files_are_left_and_the_folder_must_be_text(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setattr(compile_cache, "SHARED", "")
    compile_cache.use(tmp_path / "cache")
    folder = Path(os.environ[compile_cache.FOLDER])
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"")
    (folder / "folder" / "deep").mkdir(parents=True)
    (folder / "link").symlink_to("file")
    os.mkfifo(folder / "pipe")
    compile_cache.use(tmp_path / "cache")
    assert [one.name for one in folder.iterdir()] == ["file"]
    os.environ.clear()
    compile_cache.use(tmp_path / os.fsdecode(b"caf\xe9"))
    assert compile_cache.FOLDER not in os.environ
