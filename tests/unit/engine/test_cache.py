"""Compiled programs on the volume: a damaged one is dropped before jax meets it, and they can't grow without bound."""

import zlib

import pytest

from flowengine.run import platform


def test_a_torn_or_rotten_program_is_dropped_and_the_others_stay(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(platform.CACHE_FOLDER, str(tmp_path))
    program = zlib.compress(bytes(range(256)) * 40)
    rotten = bytearray(program)
    rotten[len(rotten) // 2] ^= 1
    for name, data in {"good": program, "torn": program[:-20], "rotten": bytes(rotten), "empty": b""}.items():
        (tmp_path / name).write_bytes(data)
    platform.sweep()
    assert [one.name for one in tmp_path.iterdir()] == ["good"]


def test_too_many_are_dropped_together(tmp_path, monkeypatch) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "one").write_bytes(zlib.compress(bytes(1000)))
    monkeypatch.setenv(platform.CACHE_FOLDER, str(tmp_path / "cache"))
    platform.sweep(most=10)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("folder", ["nothing", None])
def test_no_folder_is_no_error(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(platform.CACHE_FOLDER, raising=False)
    if folder:
        monkeypatch.setenv(platform.CACHE_FOLDER, str(tmp_path / folder))
    platform.sweep()
