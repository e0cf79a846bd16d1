"""Where a flow's folder may lie: by links, in bytes that are no text; and sentences for where it can't."""

import os
import re
import shutil

import pytest

from flowapi.errors import FencedError, VolumeError
from flowengine.store import IO, list_checkpoints, pin, read_checkpoint
from kit.store.faulty import Faulty, fail_with
from kit.store.volume import A, meta, resumed, state, take


def file(path):
    path.write_text("")
    return path


def dangling(path):
    path.symlink_to(path.parent / "nowhere" / "at" / "all")
    path.parent.chmod(0o755)
    (path.parent / "nowhere").write_text("")
    return path


def circle(path):
    path.symlink_to(path)
    return path


UNFIT = {
    "a name that is too long": (lambda path: path / ("x" * 300), "File name too long: .*xxx.*shorter name"),
    "a file": (file, "Not a directory: .*root.*path of a folder"),
    "below a file": (lambda path: file(path) / "below", "Not a directory"),
    "a link into a file": (dangling, "Not a directory"),
    "a link to itself": (circle, "symbolic links: .*root.*in a circle"),
    "a pipe": (lambda path: os.mkfifo(path) or path, "Not a directory"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_what_is_no_folder_is_said_in_a_sentence(tmp_path, kind) -> None:
    make, sentence = UNFIT[kind]
    root = make(tmp_path / "root")
    with pytest.raises(VolumeError, match=sentence):
        take(root)
    try:
        assert list_checkpoints(root) == []
    except VolumeError as error:
        assert "can't be looked at" in error.message


def test_a_link_is_followed_once(tmp_path) -> None:
    (tmp_path / "there").mkdir()
    root = tmp_path / "root"
    root.symlink_to("there")
    store, _ = take(root)
    root.unlink()
    root.symlink_to("elsewhere")
    ref = store.save(1, state(1), meta())
    store.close()
    root.unlink()
    root.symlink_to("there")
    assert resumed(root) == resumed(tmp_path / "there") == 1
    assert [one.ref for one in list_checkpoints(root)] == [ref]
    pin(root, ref.id)
    assert read_checkpoint(root).ref == ref


def test_a_link_to_where_nothing_is_yet(tmp_path) -> None:
    (tmp_path / "root").symlink_to("new/place")
    take(tmp_path / "root")[0].close()
    assert (tmp_path / "new" / "place" / "OWNER").exists()


@pytest.mark.parametrize("name", [b"caf\xe9 \xff", b"two\nlines", "λ – \N{SNOWMAN}".encode(), b" ", b"-rf"])
def test_any_bytes_are_a_name(tmp_path, name) -> None:
    root = tmp_path / os.fsdecode(name) / "root"
    store, _ = take(root)
    store.save(1, state(1), meta())
    store.close()
    assert resumed(root) == 1
    (one,) = list_checkpoints(root, deep=True)
    assert not one.problem


class Synced(IO):
    """Remembers which folders' names were brought to the disk, and what was made."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []

    def mkdir(self, path, *mode):
        super().mkdir(path, *mode)
        self.log.append(("made", str(path)))

    def fsync_folder(self, path):
        super().fsync_folder(path)
        self.log.append(("synced", str(path)))


@pytest.mark.parametrize("killed", [False, True])
def test_every_folder_that_is_made_is_synced_in_the_one_above(tmp_path, killed) -> None:
    """Also where a process that was killed has made it, and could not."""
    root = tmp_path / "one" / "two"
    if killed:
        (root / "revisions" / A / "ckpts").mkdir(parents=True)
        (root / "fence").mkdir()
    io = Synced()
    take(root, io=io)[0].close()
    needed = [root, root / "fence", root / "revisions", root / "revisions" / A, root / "revisions" / A / "ckpts"]
    if not killed:
        needed.append(root.parent)
    for folder in needed:
        made = io.log.index(("made", str(folder))) if not killed else -1
        assert ("synced", str(folder.parent)) in io.log[made + 1 :], folder


def test_above_a_root_that_is_there_nothing_needs_to_be_synced(tmp_path) -> None:
    """Above a mount there may be a read-only file system, or one that can't."""

    class Above(IO):
        def fsync_folder(self, path):
            if path == tmp_path:
                raise OSError(22, "Invalid argument")
            super().fsync_folder(path)

    (tmp_path / "root").mkdir()
    take(tmp_path / "root", io=Above())[0].close()
    with pytest.raises(VolumeError, match="Invalid argument"):
        take(tmp_path / "new", io=Above())


@pytest.mark.parametrize("what", ["moved", "without its fence"])
def test_a_folder_that_is_gone_is_said_as_that(tmp_path, what) -> None:
    root = tmp_path / "root"
    store, _ = take(root)
    store.save(1, state(1), meta())
    if what == "moved":
        root.rename(tmp_path / "other")
    else:
        shutil.rmtree(root / "fence")
    with pytest.raises(FencedError, match=f"gone from {re.escape(str(root))}: the folder was moved"):
        store.save(2, state(2), meta())
    store.close()
    if what == "moved":
        assert resumed(tmp_path / "other") == 1


def test_errors_of_open_files_name_them(tmp_path) -> None:
    """The kernel names files in errors about paths alone."""
    said = 0
    for at in range(1, 40):
        try:
            io = Faulty(at=at, fault=fail_with(5), calls=("write", "fsync", "close"))
            store, _ = take(tmp_path / str(at), io=io)
            store.save(1, state(1), meta())
            store.close()
        except VolumeError as error:
            said += 1
            assert re.search(r"\(Input/output error: /.*\)|the volume at /", str(error)), (at, io.hit, str(error))
    assert said > 10
