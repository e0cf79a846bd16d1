"""When a run saves, how long its chunks are, and what it says of itself."""

from flowapi.report import RunReport
from flowengine.run.board import Board
from flowengine.run.cadence import Cadence, Pace, per_second
from flowengine.run.reporting import Reporter


def test_cadence_counts_absolute_iterations_and_waits() -> None:
    cadence = Cadence(every_iterations=100, every_seconds=10, saved_iteration=0, saved_at=0)
    assert not cadence.due(90, 60)
    assert not cadence.due(100, 9)
    assert cadence.due(130, 10)
    after = cadence.begun(130, 10)
    assert not after.due(190, 60)
    assert after.due(200, 60)
    assert after.next_multiple(130) == 200
    assert Cadence(100, 0, 130, 10).due(200, 10)


def test_a_failed_save_is_tried_again_soon_and_later_each_time() -> None:
    cadence = Cadence(every_iterations=100, every_seconds=10, saved_iteration=0, saved_at=0).begun(100, 20)
    failed = cadence.failed(0, 21)
    assert not failed.due(150, 21.9)
    assert failed.due(150, 22)
    again = failed.begun(150, 22).failed(0, 22)
    assert not again.due(200, 23.9)
    assert again.due(200, 24)
    for now in range(24, 2000, 60):
        again = again.begun(200, now).failed(0, now)
    assert not again.due(300, now + 59)
    assert again.due(300, now + 60)
    assert again.begun(300, now + 60).succeeded().failures == 0


def test_pace_grows_slowly_and_stays_within_the_ring() -> None:
    pace = Pace(1, most=500)
    assert pace.measured(1, 1e-9).iterations == 4
    assert pace.measured(10, 5.0).iterations == 1
    assert Pace(400, most=500).measured(400, 1e-9).iterations == 500


def test_a_clock_that_stands_still_has_no_rate_and_no_say() -> None:
    assert per_second(10, 0.0) is None
    assert per_second(10, -1.0) is None
    assert per_second(10, 4.0) == 2.5
    assert Pace(8, most=500).measured(8, 0.0).iterations == 32


def test_warnings_are_said_once_and_the_newest_stay() -> None:
    seen: list[RunReport] = []
    reporter = Reporter(Board(RunReport(revision="", attempt=1)), seen.append, ("a",))
    reporter.update(iteration=3)
    assert seen == []
    reporter.show(iteration=4)
    for sentence in ("", "b", "b", "c", "d", "e"):
        reporter.warn(sentence)
    assert [one.warnings for one in seen] == [
        ("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d"), ("b", "c", "d", "e"),
    ]  # fmt: skip
    reporter.withdraw("c")
    assert reporter.report.warnings == ("b", "c", "d", "e")
    reporter.show()
    assert (reporter.report.warnings, reporter.report.iteration) == (("b", "d", "e"), 4)
