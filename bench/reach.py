"""Time to an accuracy: (E − E*)/|E*| ≤ 10⁻⁶, every solver at the best of its settings.

A race: horizons of growing length, and within each every solver goes on in turn until its own time has reached it, so
that a busy machine slows all alike. Energies are taken in float64 by one function for all, with the clock stopped.
The race ends when the others have had their share of patience beyond the first peer that arrives, or at the last
horizon. A long race thins its field out: after 2 s each solver goes on with the setting that leads, after 8 s the two
peers that lead go on. Then those who arrived run again, from the start to the number of iterations that it took, in
rounds and without a look at the energy: these are the times that are compared. Set-up and compiling are never in them,
and given apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from lab import Entrant, Lab, paired, say, shown
from problems import Problem, lasso, logistic, tv_deblur, tv_denoise

TARGET = 1e-6
EXACT = 1e-10  # change of E over a doubling of iterations that makes it E*
GROWTH, AFRESH = 1.1, 1.3  # of the iterations between two looks: for those that go on, and those that begin anew
SHORT, LONG = 4.0, 30.0  # seconds of all that arrived
SETTINGS_UNTIL, SOLVERS_UNTIL = 2.0, 8.0  # seconds of each one's own time


@dataclass(frozen=True)
class Race:
    """What is raced, and for how long.

    Attributes:
        make: The problem.
        horizon: Seconds of a solver's own time, at most.
        longest: Seconds of the engine's run to E*, at most.
        patience: How much longer than the first peer the others may take.
    """

    make: Callable[[], Problem]
    horizon: float
    longest: float
    patience: float = 50


RACES: dict[str, Race] = {
    "deblur": Race(lambda: tv_deblur(512), 128, 90, 1),
    "tv-512": Race(lambda: tv_denoise(512), 32, 10, 2),
    "tv-1024": Race(lambda: tv_denoise(1024), 128, 30, 1),
    "rof": Race(lambda: tv_denoise(256, "float64"), 8, 20),
    "rof-small": Race(lambda: tv_denoise(32, "float64"), 8, 10),
    "lasso": Race(lasso, 4, 5),
    "logistic": Race(logistic, 4, 5),
}


def minimum(entrant: Entrant, longest: float) -> float:
    """E*: the engine's energy where it no longer changes."""
    entrant.run(1, reset=True)
    count, spent, before, energy = 64, 0.0, math.inf, math.inf
    while spent < longest:
        seconds, energy = entrant.measured(count)
        spent += seconds
        if abs(before - energy) <= EXACT * abs(energy):
            break
        before, count = energy, 2 * count
    entrant.run(1, reset=True)
    return energy


class Runner:
    """A solver in the race."""

    def __init__(self, entrant: Entrant, least: float) -> None:
        self.entrant, self.least = entrant, least
        self.count, self.seconds, self.fresh, self.left = 0, 0.0, True, list(entrant.schedule)
        self.exhausted = ""

    @property
    def accuracy(self) -> float:
        """(E − E*)/|E*| at the last look."""
        points = self.entrant.points
        return (points[-1][2] - self.least) / abs(self.least) if points else math.inf

    @property
    def arrived(self) -> bool:
        """Whether that is enough."""
        return self.accuracy <= TARGET

    def go_on(self, horizon: float) -> None:
        """Until the horizon or the target."""
        one = self.entrant
        while self.seconds < horizon and not self.arrived and not self.exhausted:
            growth = AFRESH if one.restarts else GROWTH
            after = max(self.count + 1, math.ceil(growth * self.count))
            if one.schedule:
                if not self.left:
                    self.exhausted = "its tightest tolerance is not enough"
                    return
                after = self.left.pop(0)
            try:
                seconds, energy = one.measured(after if one.restarts else after - self.count, reset=self.fresh)
            except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the JSON
                self.exhausted = str(error)
                return
            self.seconds = seconds if one.restarts else self.seconds + seconds
            self.count, self.fresh = after, False
            one.points.append((after, self.seconds, energy))
            if not math.isfinite(energy):
                self.exhausted = "diverged"


def thinned(field: list[Runner], horizon: float) -> list[Runner]:
    """Those who go on beyond a horizon: of each solver the leading setting, later the leading peers."""
    if horizon < SETTINGS_UNTIL:
        return field
    best: dict[str, Runner] = {}
    for one in sorted(field, key=lambda one: (one.accuracy, one.seconds)):
        best.setdefault(one.entrant.name, one)
    ours = [one for one in best.values() if one.entrant.library == "engine"]
    peers = [one for one in best.values() if one not in ours]
    return ours + (peers[:2] if horizon >= SOLVERS_UNTIL else peers)


def raced(field: list[Runner], horizon: float, race: Race) -> None:
    """Horizons until a peer arrives, the engine having done so, and the others' patience is over."""
    ours = [one for one in field if one.entrant.library == "engine"]
    live = list(field)
    while True:
        for one in live:
            one.go_on(horizon)
        arrived = [one.seconds for one in ours if one.arrived]
        peers = [one.seconds for one in field if one.arrived and one not in ours]
        leader = min((one for one in field if one not in ours), key=lambda one: one.accuracy)
        say(
            f"  {horizon:.3g} s: ours {min(one.accuracy for one in ours):.1e}, {len(peers)} others there, "
            f"{sum(map(_running, live))} under way; {shown(leader.entrant)} {leader.accuracy:.1e}"
        )
        enough = arrived and peers and horizon >= race.patience * min(peers)
        if enough or horizon >= race.horizon or not any(map(_running, live)):
            return
        live = thinned(live, horizon)
        horizon = min(2 * horizon, race.horizon)


def _running(one: Runner) -> bool:
    return not one.arrived and not one.exhausted


def again(fields: list[Runner], rounds: int) -> dict[str, list[float]]:
    """Seconds from the start to where each arrived, in rounds."""
    found: dict[str, list[float]] = {one.entrant.key: [] for one in fields}
    for _ in range(rounds):
        for one in fields:
            found[one.entrant.key].append(one.entrant.run(one.count, reset=True))
    return found


def contenders(field: list[Runner]) -> list[Runner]:
    """Who runs again, the engine first: all that arrived, or the quickest of each library, or the best peer alone."""
    there = sorted((one for one in field if one.arrived), key=lambda one: one.seconds)
    if sum(one.seconds for one in there) > SHORT:
        best: dict[str, Runner] = {}
        for one in there:
            best.setdefault(one.entrant.library, one)
        there = list(best.values())
    there = sorted(there, key=lambda one: one.entrant.library != "engine")
    return there[:2] if sum(one.seconds for one in there) > LONG else there


def _line(one: Runner, least: float, again: list[float] | None) -> dict[str, Any]:
    """A solver's race; `again` are its uninterrupted times."""
    curve = [(count, round(seconds, 6), (energy - least) / abs(least)) for count, seconds, energy in one.entrant.points]
    kept = curve[:: max(1, len(curve) // 60)]
    if curve and kept[-1] != curve[-1]:
        kept.append(curve[-1])
    about = {
        "library": one.entrant.library, "solver": one.entrant.name, "setting": one.entrant.setting,
        "arrived": one.arrived, "iterations": one.count, "seconds": round(one.seconds, 6), "accuracy": one.accuracy,
        "uninterrupted": [round(value, 6) for value in again or ()], "setUpSeconds": round(one.entrant.first, 3),
    }  # fmt: skip
    return {**about, **({"ended": one.exhausted} if one.exhausted else {}), "curve": kept}


def measure(lab: Lab, name: str, *, quick: bool) -> dict[str, Any]:
    """One race with its rounds."""
    race = RACES[name]
    problem = tv_deblur(128) if quick and name == "deblur" else race.make()
    if quick:
        race = replace(race, horizon=min(race.horizon, 4.0), longest=min(race.longest, 10.0))
    entrants, absent = lab.enter(problem)
    ours = [one for one in entrants if one.library == "engine"]
    least = minimum(ours[0], race.longest)
    say(f"{problem.name}: E* = {least:.12g}")
    field = [Runner(one, least) for one in entrants]
    raced(field, 0.5 if name == "deblur" else 0.02, race)
    lowest = min([least, *(energy for one in entrants for _, _, energy in one.points)])
    fields = contenders(field)
    rounds = max(1, min(9, int(150 / max(sum(one.seconds for one in fields), 0.01))))
    seconds = again(fields, min(3, rounds) if quick else rounds)
    answer = {
        "problem": problem.name, "target": TARGET, "energy": least, "lowestOfAnyone": lowest,
        "lowestBelow": (least - lowest) / abs(least), "time": "set-up and compiling not in it; see setUpSeconds",
        "chosen": lab.call("chosen", problem), **_ratios(fields, field, seconds),
        "solvers": [_line(one, lowest, seconds.get(one.entrant.key)) for one in field], "absent": absent,
    }  # fmt: skip
    for one in entrants:
        one.drop()
    say(f"{problem.name}: ours in {answer['secondsMedian']}, ratios {answer['ratios']}")
    return answer


def _ratios(fields: list[Runner], field: list[Runner], seconds: dict[str, list[float]]) -> dict[str, Any]:
    """The engine's time divided by each library's best; where none of its solvers arrived, by what they were given."""
    medians = {one.entrant.key: median(seconds[one.entrant.key]) for one in fields}
    best: dict[str, Entrant] = {}
    for entrant in sorted((one.entrant for one in fields), key=lambda one: medians[one.key]):
        best.setdefault(entrant.library, entrant)
    ours = best.pop("engine", None)
    answer: dict[str, Any] = {
        "secondsMedian": {shown(one.entrant): round(medians[one.entrant.key], 6) for one in fields},
        "ratios": {}, "ratiosBelow": {}, "bestPeer": None, "ratioToBestPeer": None,
    }  # fmt: skip
    if ours is None:
        return answer
    answer["ratios"] = {library: paired(seconds[ours.key], seconds[one.key]) for library, one in best.items()}
    for one in sorted(field, key=lambda one: one.seconds):
        if one.seconds and one.entrant.library not in {"engine", *best}:
            answer["ratiosBelow"][one.entrant.library] = round(medians[ours.key] / one.seconds, 4)
    if best:
        first = next(iter(best.values()))
        answer |= {"bestPeer": shown(first), "ratioToBestPeer": answer["ratios"][first.library]}
    return answer
