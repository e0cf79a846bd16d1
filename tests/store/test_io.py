"""The shim: each operation reaches the kernel, says what the kernel says, and follows no link."""

import errno
import os
from pathlib import Path

import pytest

from flowapi.errors import VolumeError
from flowengine.store.io import IO, patiently, put_files, read_file, replace_file


def failing(monkeypatch, name, module=os) -> list:
    """Make a call of the kernel fail; what was asked of it."""
    asked = []

    def fail(*arguments, **_):
        asked.append(arguments)
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(module, name, fail)
    return asked


@pytest.mark.parametrize("name", ["fsync", "close"])
def test_a_failed_sync_or_close_is_an_error(tmp_path, monkeypatch, name) -> None:
    descriptor = IO().create(tmp_path / "a")
    asked = failing(monkeypatch, name)
    with pytest.raises(OSError, match="broken"):
        getattr(IO(), name)(descriptor)
    monkeypatch.undo()
    os.close(descriptor)
    assert asked == [(descriptor,)]


def test_a_folders_names_are_synced(tmp_path, monkeypatch) -> None:
    asked = failing(monkeypatch, "fsync")
    before = open_files()
    with pytest.raises(OSError, match="broken") as refused:
        IO().fsync_folder(tmp_path)
    assert refused.value.filename == str(tmp_path)  # the system knows its number alone
    assert len(asked) == 1
    assert open_files() == before


def test_names_change_and_errors_come_through(tmp_path) -> None:
    io, a, b, folder = IO(), tmp_path / "a", tmp_path / "b", tmp_path / "folder"
    io.close(io.create(a))
    io.rename(a, b)
    assert io.names(tmp_path) == ["b"]
    io.link(b, a)
    assert io.names(tmp_path) == ["a", "b"]
    io.mkdir(folder)
    for refused in (
        lambda: io.create(a), lambda: io.mkdir(folder), lambda: io.link(a, b), lambda: io.rename(tmp_path / "none", a),
        lambda: io.unlink(tmp_path / "none"), lambda: io.rmdir(tmp_path / "none"), lambda: io.rename(a, folder),
    ):  # fmt: skip
        with pytest.raises(OSError, match="."):
            refused()
    io.unlink(a)
    io.rmdir(folder)
    assert io.names(tmp_path) == ["b"]
    assert io.names(tmp_path / "none") == []


def test_only_regular_files_are_opened_and_nothing_is_leaked(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    before = open_files()
    for name in ("pipe", "link", "none"):
        with pytest.raises(OSError, match="."):
            IO().open_read(tmp_path / name)
    assert read_file(IO(), tmp_path / "file", 1) == b"x"
    with pytest.raises(ValueError, match="more than 0"):
        read_file(IO(), tmp_path / "file", 0)
    assert open_files() == before


@pytest.mark.parametrize("call", [lambda io, path: io.names(path), lambda io, path: io.open_read(path / "file")])
def test_a_volume_that_cannot_be_looked_at_is_not_an_empty_one(tmp_path, monkeypatch, call) -> None:
    (tmp_path / "file").write_bytes(b"x")
    failing(monkeypatch, "open")
    with pytest.raises(OSError, match="broken"):
        call(IO(), tmp_path)


class Torn(IO):
    """Fails at one operation."""

    def __init__(self, name: str) -> None:
        setattr(self, name, self._fail)

    def _fail(self, *_):
        raise OSError(errno.EIO, "broken")


@pytest.mark.parametrize("name", ["write", "fsync", "close"])
def test_an_unfinished_file_is_an_error_and_leaks_nothing(tmp_path, name) -> None:
    before = open_files()
    files = [(tmp_path / one, iter((b"x",))) for one in ("a", "b")]
    with pytest.raises(OSError, match="broken"):
        put_files(Torn(name), iter(files))
    assert len(open_files()) - len(before) == (name == "close")  # the one whose close failed


def test_files_are_closed_and_hold_their_bytes(tmp_path) -> None:
    before = open_files()
    put_files(IO(), iter([(tmp_path / "a", iter((b"1", b"2"))), (tmp_path / "b", iter((b"3",)))]))
    replace_file(IO(), tmp_path / "a", b"4", scratch=tmp_path / "scratch")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"a": b"4", "b": b"3"}
    assert open_files() == before


@pytest.mark.parametrize("name", ["create", "fsync", "rename", "fsync_folder"])
def test_a_replacement_that_fails_says_so(tmp_path, name) -> None:
    with pytest.raises(OSError, match="broken"):
        replace_file(Torn(name), tmp_path / "a", b"4", scratch=tmp_path / "scratch")


def test_patience(monkeypatch) -> None:
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", (0, 0))
    answers = iter([errno.EIO, errno.ESTALE, None])

    def read() -> str:
        if (number := next(answers)) is not None:
            raise OSError(number, os.strerror(number))
        return "data"

    assert patiently(read, Path("file")) == "data"
    answers = iter([errno.EIO] * 9)
    with pytest.raises(VolumeError, match="can't be read"):
        patiently(read, Path("file"))
    answers = iter([errno.ENOENT])
    with pytest.raises(FileNotFoundError):
        patiently(read, Path("file"))


def open_files() -> list[str]:
    """This process's descriptors, less the one that lists them."""
    return sorted(os.listdir("/proc/self/fd"))
