"""What every test layer shares: with `CFLOW_STRICT=1`, as in CI, a skipped test is a failed one."""

import os

import pytest

STRICT = os.environ.get("CFLOW_STRICT") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI allows no skip: {reason}"
    return report
