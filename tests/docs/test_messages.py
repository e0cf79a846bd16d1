"""The page of messages has a row for every sentence that the code can say, and each row says what to do."""

import subprocess
import sys
from types import FunctionType

import pytest

from flowapi import errors
from flowapi.flow import FlowDocument
from kit import messages
from kit.pages import ROOT


def test_every_sentence_of_the_code_has_its_row_and_no_row_is_left_over() -> None:
    command = [sys.executable, "docs/tools/reference.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_every_error_says_what_to_do() -> None:
    rows = [cells for cells in messages.rows() if len(cells) == 3 and cells[2].isdigit()]
    assert len(rows) > 200
    assert [cells[0] for cells in rows if not cells[1]] == []


def test_what_the_code_says_is_compared_with_the_page() -> None:
    """The comparison that every test ends with (tests/conftest.py) finds what has no row, and nothing else."""

    def new() -> None:
        raise errors.DataError("nobody wrote this row")

    with pytest.raises(errors.DataError):
        FunctionType(new.__code__, {"__name__": "flowclient.new", "errors": errors})()
    with pytest.raises(errors.DocumentError):
        FlowDocument.parse({"terms": []}, at="flow")
    assert messages.unknown() == ["nobody wrote this row"]
