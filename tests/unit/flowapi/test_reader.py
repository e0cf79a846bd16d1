"""The reader equals kubectl's, or refuses."""

import json
import re
from pathlib import Path

import pytest

from flowapi.errors import DataError, DocumentError
from flowapi.reader import read_documents, read_one
from flowapi.revision import RevisionTuple
from flowapi.spec import load_manifest

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"


def test_kubectl_and_we_read_the_same_and_hash_the_same() -> None:
    ours = read_one(FIXTURES / "kubectl.yaml")
    theirs = json.loads((FIXTURES / "kubectl.json").read_text())
    del theirs["metadata"]["annotations"]
    assert ours == read_documents(json.dumps(theirs))[0]
    hashes = {
        RevisionTuple.of(load_manifest(value).spec).hash for value in (ours, read_documents(json.dumps(theirs))[0])
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("scalar", "instead"),
    [
        ("1_0", "Write 10"), (".5", "Write 0.5"), ("1.", "Write 1,"), ("+5", "Write 5"), ("0x10", "Write 16"),
        ("010", "Write 8"), ("0o14", "Write 12"), ("0b11", "Write 3"), ("-.5", "Write -0.5"), (".inf", "finite"),
        ("-.inf", "finite"), (".nan", "finite"), ("1e999", "below 1.8e308"),
    ],
)  # fmt: skip
def test_numbers_beyond_json_are_refused_with_what_to_write(scalar, instead) -> None:
    with pytest.raises(DocumentError) as caught:
        read_documents(f"a: {{b: [{scalar}]}}")
    assert instead in str(caught.value)
    assert "a.b[0]" in str(caught.value)


@pytest.mark.parametrize("key", ["y", "n", "Yes", "no", "ON", "off", "true", "null", "~", "1", "1.5"])
def test_keys_that_yaml_reads_as_something_else(key) -> None:
    with pytest.raises(DocumentError, match="not a name"):
        read_documents(f"{key}: 1")
    assert read_documents(f'"{key}": 1') == [{key: 1}]


def test_values() -> None:
    text = "{a: yes, b: Off, c: ~, d: , e: 4.0, f: '4.0', g: 1e3, h: 2001-01-01, i: 1:30, j: =}"
    assert read_documents(text) == [
        {
            "a": True,
            "b": False,
            "c": None,
            "d": None,
            "e": 4,
            "f": "4.0",
            "g": 1000,
            "h": "2001-01-01",
            "i": "1:30",
            "j": "=",
        }
    ]


def test_merge_keys() -> None:
    text = "a: &a {x: 1, y1: 2}\nb: {<<: *a, y1: 3}\nc: {<<: [*a, {z: 9, x: 8}]}"
    assert read_documents(text)[0]["b"] == {"x": 1, "y1": 3}
    assert read_documents(text)[0]["c"] == {"x": 1, "y1": 2, "z": 9}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "twice"), ("a: !!python/object:os.system x", "tag"), ("a: [1", "not YAML"), ("? [a]\n: b", "plain name"),
        ("a: 12345678901234567890", "beyond 2^53"), ("a: &a [*a]", "nested"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]", "too many"),
        ("x" * (4 * 2**20), "larger than"),
    ],
)  # fmt: skip
def test_hostile_documents(text, message) -> None:
    with pytest.raises(DocumentError, match=re.escape(message)):
        read_documents(text)


def test_files(tmp_path) -> None:
    with pytest.raises(DataError, match="can't be read"):
        read_one(tmp_path / "none.yaml")
    (tmp_path / "two.yaml").write_text("a: 1\n---\nb: 2\n")
    with pytest.raises(DocumentError, match="2 documents"):
        read_one(tmp_path / "two.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError, match="UTF-8"):
        read_one(tmp_path / "binary.yaml")
