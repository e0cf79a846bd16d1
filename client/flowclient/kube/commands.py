"""The commands of `kubectl cflow` that look at flows."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any, Literal

import typer

from flowapi.errors import DocumentError
from flowclient import revisions
from flowclient.kube import changes, showing
from flowclient.kube.application import Context, Every, Name, Output, Selector, app, output_of
from flowclient.kube.kubectl import RESOURCE, Json, Kubectl

WATCH_SECONDS = 2.0
SPARK_POINTS = 240
TIMED_OUT = 124


def _kubectl(context: Context) -> Kubectl:
    found: Kubectl = context.obj
    return found


def _flows(kubectl: Kubectl, name: str, *, every: bool, labels: str) -> list[Json]:
    if name:
        return [kubectl.flow(name)]
    return kubectl.items(RESOURCE, *(["-A"] if every else []), *(["-l", labels] if labels else []))


def _print(flows: list[Json], columns: tuple[showing.Column, ...], output: str, *, every: bool, single: bool) -> None:
    chosen = output_of(output)
    if chosen in ("json", "yaml", "name"):
        sys.stdout.write(showing.as_document(flows, chosen, single=single))
        return
    if not flows:
        sys.stderr.write("No flows found.\n")
        return
    now = showing.now_utc()
    sys.stdout.write(showing.aligned(showing.table(flows, columns, now, spaces=every, wide=chosen == "wide")))


@app.command("list")
def list_(
    context: Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="One flow only.")] = "",
    every: Every = False,
    labels: Selector = "",
    output: Output = "",
) -> None:
    """List flows: phase, progress, health, newest checkpoint. `-o wide` adds why each one stands as it does.

    Examples:
      kubectl cflow list

      kubectl cflow list -A -l team=imaging -o wide
    """
    flows = _flows(_kubectl(context), name, every=every, labels=labels)
    _print(flows, showing.LIST, output, every=every, single=bool(name))


@app.command()
def top(context: Context, every: Every = False, labels: Selector = "", output: Output = "") -> None:
    """List the flows that run, the fastest first: iterations a second, time left, memory limit, node.

    Example: kubectl cflow top -A
    """
    flows = [one for one in _flows(_kubectl(context), "", every=every, labels=labels) if _rate(one) is not None]
    flows.sort(key=lambda one: -(_rate(one) or 0.0))
    _print(flows, showing.TOP, output, every=every, single=False)


def _rate(flow: Json) -> float | None:
    status = flow.get("status", {})
    found = status.get("progress", {}).get("iterationsPerSecond")
    return float(found or 0.0) if status.get("phase") == "Running" else None


@app.command()
def status(
    context: Context,
    name: Name,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again whenever it changes.")] = False,
    output: Output = "",
) -> None:
    """Show a flow as a tree: revision, attempt, Job, pod; what it waits for; its residual as a sparkline.

    Example: kubectl cflow status tv-deblur --watch
    """
    kubectl, before = _kubectl(context), ""
    if output:
        _print([kubectl.flow(name)], showing.LIST, output, every=False, single=True)
        return
    while True:
        text = _tree(kubectl, name)
        if text != before:
            sys.stdout.write(("\n" if before else "") + text)
            sys.stdout.flush()
            before = text
        if not watch:
            return
        time.sleep(WATCH_SECONDS)


def _tree(kubectl: Kubectl, name: str) -> str:
    from flowclient.kube.cluster import belongings, telemetry  # noqa: PLC0415 - numpy: not for every command

    flow = kubectl.flow(name)
    jobs, pods = belongings(kubectl, flow, "job", "pod")
    text = showing.tree(flow, jobs, pods, showing.now_utc())
    running = [one for one in pods if one.get("status", {}).get("phase") == "Running"]
    told = telemetry(kubectl, running[0], SPARK_POINTS) if running else {}
    return text + _spark(told)


def _spark(told: Json) -> str:
    import numpy as np  # noqa: PLC0415

    from flowclient.chart import spark  # noqa: PLC0415 - numpy: not for every command

    values = np.array(told.get("columns", {}).get("residual", []), float)
    line = spark(values, 60)
    return f"residual  {line}\n" if line else ""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def logs(context: Context, name: Name) -> None:
    """Show the log of a flow's newest pod. It takes the flags of `kubectl logs`: -f, --tail, --previous.

    Example: kubectl cflow logs tv-deblur -f --tail 50
    """
    from flowclient.kube.cluster import belongings  # noqa: PLC0415 - numpy: not for every command

    kubectl = _kubectl(context)
    flow = kubectl.flow(name)
    (pods,) = belongings(kubectl, flow, "pod")
    if not pods:
        raise DocumentError(f"{name} has no pod", remedy="See `kubectl cflow status`.")
    newest = max(pods, key=lambda one: one["metadata"]["creationTimestamp"])["metadata"]["name"]
    kubectl.within(flow["metadata"]["namespace"]).become("logs", newest, "-c", "engine", *context.args)


@app.command()
def history(context: Context, name: Name, output: Output = "") -> None:
    """List the revisions of a flow: what became of each, and its newest checkpoint.

    Example: kubectl cflow history tv-deblur
    """
    flow = _kubectl(context).flow(name)
    if output_of(output) in ("json", "yaml"):
        body: Any = {"revisions": flow.get("status", {}).get("revisions", [])}
        sys.stdout.write(showing.as_document([body], output_of(output), single=True))
        return
    sys.stdout.write(showing.aligned(changes.history(flow)))


@app.command()
def diff(
    context: Context,
    name: Name,
    one: Annotated[str, typer.Argument(metavar="REV", help="A revision: r1, 1 or its hash.")],
    other: Annotated[str, typer.Argument(metavar="REV", help="The other one.")],
) -> None:
    """Show what differs between two revisions, as `history` numbers them. The exit code is 1 where anything does.

    Example: kubectl cflow diff tv-deblur r1 r2
    """
    from flowclient.kube.cluster import revision_file  # noqa: PLC0415 - numpy: not for every command

    kubectl = _kubectl(context)
    flow = kubectl.flow(name)
    found = [revision_file(kubectl, flow, changes.record(flow, word).hash) for word in (one, other)]
    text = revisions.diff(found[0], found[1])
    sys.stdout.write(text)
    raise SystemExit(1 if text else 0)


@app.command()
def wait(
    context: Context,
    name: Name,
    wanted: Annotated[
        Literal["completed", "stable", "running", "suspended"],
        typer.Option("--for", help="What to wait for. stable: the revision is one to go back to."),
    ] = "completed",
    timeout: Annotated[str, typer.Option(metavar="TIME", help="How long: 90s, 10m, 2h. 0 looks once.")] = "1h",
) -> None:
    """Wait until a flow has completed, is stable, runs or is suspended, for scripts.

    The exit code is 0 when it is so, 1 when the flow is stalled and can't be any more, 124 when the time is over.

    Example: kubectl cflow wait tv-deblur --for completed --timeout 2h
    """
    kubectl, end = _kubectl(context), time.monotonic() + seconds_of(timeout)
    while True:
        holds, why = changes.waited(kubectl.flow(name), wanted)
        if holds:
            sys.stdout.write(f"{name} is {wanted}\n")
            return
        if why:
            sys.stderr.write(f"kubectl cflow: {name} is stalled: {why}\n")
            raise SystemExit(1)
        if time.monotonic() >= end:
            sys.stderr.write(f"kubectl cflow: {name} is not {wanted} after {timeout}\n")
            raise SystemExit(TIMED_OUT)
        time.sleep(min(WATCH_SECONDS, max(0.05, end - time.monotonic())))


def seconds_of(text: str) -> float:
    """A duration as kubectl writes it.

    Raises:
        DocumentError: it is none.
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    if not number.replace(".", "", 1).isdigit():
        raise DocumentError(f"`{text}` is no duration", path="--timeout", remedy="Write it like 90s, 10m or 2h.")
    return float(number) * unit
