"""Compiled programs on the volume: a damaged one is dropped before jax meets it, and they can't grow without bound."""

import zlib

from flowengine.run import platform


def test_a_torn_or_rotten_program_is_dropped_and_the_others_stay(tmp_path) -> None:
    program = zlib.compress(bytes(range(256)) * 40)
    rotten = bytearray(program)
    rotten[len(rotten) // 2] ^= 1
    for name, data in {"good": program, "torn": program[:-20], "rotten": bytes(rotten), "empty": b""}.items():
        (tmp_path / name).write_bytes(data)
    platform.sweep(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["good"]


def test_too_many_are_dropped_together(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(platform, "CACHE_BYTES", 10)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "one").write_bytes(zlib.compress(bytes(1000)))
    platform.sweep(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_no_folder_is_no_error(tmp_path) -> None:
    platform.sweep(tmp_path / "nothing")
