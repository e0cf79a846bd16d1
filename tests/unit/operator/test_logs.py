"""The operator's log: a line for a decision, none for each event of a watch."""

import logging

import pytest
import structlog

from flowoperator.settings import configure_logs


@pytest.fixture(autouse=True)
def logs_as_before():
    root, kopf = logging.getLogger(), logging.getLogger("kopf")
    handlers, levels = root.handlers[:], (root.level, kopf.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    kopf.setLevel(levels[1])
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("level", "ours", "kopfs"),
    [
        ("info", logging.INFO, logging.WARNING),
        ("debug", logging.DEBUG, logging.DEBUG),
        ("error", logging.ERROR, logging.ERROR),
    ],
)
def test_the_framework_says_what_is_wrong_and_nothing_for_each_event(level, ours, kopfs):
    configure_logs(level)
    assert logging.getLogger("flowoperator").getEffectiveLevel() == ours
    assert logging.getLogger("kopf.objects").getEffectiveLevel() == kopfs
