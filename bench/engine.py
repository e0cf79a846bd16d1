"""How fast the engine is: iterations a second, time to an accuracy, start-up and memory, beside others in one run.

    make bench                                        everything, about forty minutes
    .venv/bin/python bench/engine.py --quick          a few sizes, short rounds: to see that it works
    .venv/bin/python bench/engine.py --only deblur,start

Writes build/bench/engine.json and engine.png. Rounds interleave all solvers, so that a busy machine slows all of them
alike; a ratio is the median over rounds of ours divided by theirs in that round. Peers run in an environment of their
own (requirements/peers.txt), as processes that answer on a pipe. What a peer can't do is listed with the reason.
"""

import argparse
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import denoise
import drawing
import reach
import startup
from lab import FOLDER, PEERS_PYTHON, THREADS, Lab, attempted, machine, say
from problems import lasso

PARTS = ("denoise", *reach.RACES, "start")
FASTER = (
    ("pd3o", "hand-written JAX", 0.95), ("fista", "hand-written JAX", 0.95),
    ("pd3o", "engine without certificates", 0.95), ("fista", "engine without certificates", 0.95),
    ("pd3o", "SCICO PDHG", 25), ("pd3o", "PyProximal PrimalDual", 25),
)  # fmt: skip
WANTED: dict[str, tuple[tuple[str, ...], str, float]] = {
    **{
        f"{method} {size}² ÷ {other}": (("denoise", method, "sizes", size, "ratios", other), "≥", bound)
        for method, other, bound in FASTER
        for size in ("512", "1024", "2048")
    },
    **{
        f"TV {size}² float32 to 1e-6, time ÷ {other}'s best": ((f"tv-{size}", "ratios", other), "≤", 0.04)
        for other in ("SCICO", "PyProximal")
        for size in ("512", "1024")
    },
    "deblurring 512², time ÷ best peer's": (("deblur", "ratioToBestPeer"), "≤", 0.1),
    "start-up ÷ Python, JAX and restore": (("start", "start", "ratio"), "≤", 1.3),
    "peak memory 2048² ÷ allowed": (("start", "memory", "ratio"), "≤", 1),
}  # fmt: skip


def accepted(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures that are wanted, with whether they hold; None where this run has none.

    Of a library that never arrived there is a bound of the ratio, which may be enough.
    """
    found = {}
    for name, (path, sense, bound) in WANTED.items():
        value, below = _at(answer, path), _at(answer, tuple(f"{key}Below" if key == "ratios" else key for key in path))
        holds = None if value is None else bool(value >= bound if sense == "≥" else value <= bound)
        if value is None and sense == "≤" and below is not None and below <= bound:
            value, holds = f"< {below}", True
        found[name] = {"value": value, "wanted": f"{sense} {bound}", "holds": holds}
    return found


def _at(answer: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer


def measured(parts: list[str], *, quick: bool) -> dict[str, Any]:
    """The parts that are asked for."""
    answer: dict[str, Any] = {"quick": quick}
    if parts != ["start"]:
        with Lab() as lab:
            answer["machine"] = {**machine(lab.call("place", lasso())), "threadsOfEach": THREADS}
            for name in parts:
                step = partial(reach.measure, lab, name) if name in reach.RACES else partial(denoise.measure, lab)
                if name != "start":
                    answer[name] = attempted(name, partial(step, quick=quick))
    if "start" in parts:
        answer["start"] = attempted("start", partial(startup.measure, quick=quick))
    return answer


def main() -> None:
    """Measure, print, and write the JSON and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a few sizes and short rounds: numbers mean little")
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--output", type=Path, default=FOLDER / "engine.json")
    options = parser.parse_args()
    parts = options.only.split(",") if options.only else list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not PEERS_PYTHON.exists():
        parser.error(f"{PEERS_PYTHON} is missing: `make peers` sets it up")
    cores = sorted(os.sched_getaffinity(0))[:THREADS]
    os.sched_setaffinity(0, cores)  # so that nobody takes more than the engine
    answer = measured(parts, quick=options.quick)
    answer["accepted"] = accepted(answer)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    drawing.draw(answer, options.output.with_suffix(".png"))
    say(f"written: {options.output} and {options.output.with_suffix('.png').name}")
    print(json.dumps(answer["accepted"], indent=2, ensure_ascii=False))
    if '"failed"' in json.dumps(answer):
        raise SystemExit("a part failed: see above")


if __name__ == "__main__":
    main()
