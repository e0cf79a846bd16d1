"""The cache of flows and their objects, fed by watches and by a listing now and then, and how far it can be trusted."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from flowapi.group import KIND
from flowoperator.core import parse
from flowoperator.core.observed import Claim, Flow, Job, Pod, RevisionMap, TerminationRecord
from flowoperator.shell.queue import Key

Json = Mapping[str, Any]
T = TypeVar("T")
KEPT = 8
CHILDREN = ("Job", "Pod", "PersistentVolumeClaim", "ConfigMap")
KINDS = (KIND, *CHILDREN)


@dataclass(frozen=True)
class Entry(Generic[T]):
    """An object as it was seen last: its version, its flow, its parsed value."""

    version: int
    uid: str
    key: Key
    created: str
    value: T


@dataclass
class Shelf(Generic[T]):
    """All objects of one kind, found by name or by flow."""

    parsed: Callable[[Json], T]
    entries: dict[tuple[str, str], Entry[T]] = field(default_factory=dict)
    by_flow: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))

    def put(self, key: Key, body: Json) -> bool:
        """Keep an object unless what is there is newer; whether it was kept."""
        meta = body["metadata"]
        place = (meta["namespace"], meta["name"])
        old, version = self.entries.get(place), version_of(body)
        if old is not None and old.version >= version:
            return False
        if old is not None and old.key != key:
            self.drop(*place)
        self.entries[place] = Entry(version, meta["uid"], key, parse.created(body), self.parsed(body))
        self.by_flow[key].add(meta["name"])
        return True

    def drop(self, namespace: str, name: str) -> None:
        """Forget an object."""
        if (old := self.entries.pop((namespace, name), None)) is not None:
            names = self.by_flow[old.key]
            names.discard(name)
            if not names:
                del self.by_flow[old.key]

    def of(self, key: Key) -> tuple[T, ...]:
        """The objects of a flow, oldest first."""
        found = [self.entries[key.namespace, name] for name in self.by_flow.get(key, ())]
        return tuple(one.value for one in sorted(found, key=lambda one: (one.created, one.version)))


def version_of(body: Json) -> int:
    """The resourceVersion; versions of one kind only rise."""
    text = body["metadata"].get("resourceVersion", "")
    return int(text) if text.isdecimal() else 0


class Informer:
    """What the watches and the last listing told."""

    def __init__(self) -> None:
        self.flows: Shelf[Flow] = Shelf(self._flow)
        self.jobs: Shelf[Job] = Shelf(parse.job)
        self.pods: Shelf[Pod] = Shelf(parse.pod)
        self.claims: Shelf[Claim] = Shelf(parse.claim)
        self.maps: Shelf[RevisionMap] = Shelf(parse.revision_map)
        self._shelves: dict[str, Shelf[Any]] = dict(
            zip(KINDS, (self.flows, self.jobs, self.pods, self.claims, self.maps), strict=True)
        )
        self._terminations: dict[Key, dict[str, TerminationRecord]] = {}
        self._gone: dict[Key, deque[str]] = {}  # uids of Jobs

    def _flow(self, body: Json) -> Flow:
        """A spec is read once a generation."""
        meta = body["metadata"]
        old = self.flows.entries.get((meta["namespace"], meta["name"]))
        same = old is not None and (old.uid, old.value.generation) == (meta["uid"], meta.get("generation", 0))
        return parse.flow(body, old.value.spec if same and old is not None else None)

    def seen(self, kind: str, body: Json, *, deleted: bool = False) -> Key | None:
        """Take in an object from a watch, a listing or our own write; the flow to look at, if anything is new."""
        meta = body["metadata"]
        key = key_of(kind, body)
        if not key.name:
            return None
        if kind == "Pod" and (record := parse.termination(body)) is not None and self._is_of(key, record):
            self._keep(key, record)
        if kind == KIND and (known := self.flows.entries.get((key.namespace, key.name))) and known.uid != meta["uid"]:
            self._forget(key)
        if deleted:
            old = self._shelves[kind].entries.get((meta["namespace"], meta["name"]))
            if old is None or old.uid == meta["uid"]:
                self._drop(kind, meta["namespace"], meta["name"])
                if kind == KIND:
                    self._forget(key)
            return key
        return key if self._shelves[kind].put(key, body) else None

    def _forget(self, key: Key) -> None:
        """The flow is gone, or another one of its name is there."""
        self._terminations.pop(key, None)
        self._gone.pop(key, None)

    def _drop(self, kind: str, namespace: str, name: str) -> None:
        """Forget an object; but the last pods of a Job end after it is gone."""
        entry = self._shelves[kind].entries.get((namespace, name))
        if kind == "Job" and entry is not None and (flow := self.flows.entries.get((namespace, entry.key.name))):
            gone = self._gone.setdefault(entry.key, deque(maxlen=KEPT))
            if entry.value.owner_uid == flow.uid and entry.uid not in gone:
                gone.append(entry.uid)
        self._shelves[kind].drop(namespace, name)

    def _is_of(self, key: Key, record: TerminationRecord) -> bool:
        """Any pod may bear our label: only one whose controller is a Job of this flow is believed."""
        flow = self.flows.entries.get((key.namespace, key.name))
        known = {old.job_uid for old in self._terminations.get(key, {}).values()}
        jobs = {job.uid for job in self.jobs.of(key) if flow is None or job.owner_uid == flow.uid}
        return record.job_uid in jobs | known | set(self._gone.get(key, ()))

    def _keep(self, key: Key, record: TerminationRecord) -> None:
        """Remember how a pod ended; a later event of the same pod replaces it, but no report is lost by that."""
        found = self._terminations.setdefault(key, {})
        old = found.get(record.pod_uid)
        if old is not None and record.report is None:
            record = old
        found[record.pod_uid] = record
        newest = sorted(found.values(), key=lambda one: one.created)[-KEPT:]
        self._terminations[key] = {one.pod_uid: one for one in newest}

    def terminations(self, key: Key) -> tuple[TerminationRecord, ...]:
        """How the last pods of a flow ended, oldest pod first."""
        return tuple(self._terminations.get(key, {}).values())

    def sharing(self, flow: Flow) -> tuple[str, ...]:
        """Other flows of the namespace on the same claim."""
        named = flow.claim_name
        return tuple(
            sorted(
                one.value.ref.name
                for (namespace, name), one in self.flows.entries.items()
                if namespace == flow.ref.namespace and name != flow.ref.name and one.value.claim_name == named
            )
        )

    def writing(self, namespace: str, claim: str) -> set[str]:
        """Flows, of a namespace, with a pod that mounts a claim for writing; also flows that are gone."""
        pods = ((place, one.value) for place, one in self.pods.entries.items())
        return {pod.flow for place, pod in pods if place[0] == namespace and claim in pod.writes}

    def deleting(self, kind: str, namespace: str, name: str) -> None:
        """We have asked for an object's deletion: a Job lives on until its pods are gone, anything else is gone."""
        shelf = self._shelves[kind]
        entry = shelf.entries.get((namespace, name))
        if entry is None:
            return
        if kind == "Job":
            shelf.entries[namespace, name] = replace(entry, value=replace(entry.value, deleting=True))
        else:
            shelf.drop(namespace, name)

    def fill(self, kind: str, found: Iterable[Json]) -> None:
        """Take in a whole listing."""
        for body in found:
            self.seen(kind, body)

    def compare(
        self, kind: str, version: int, found: Iterable[Json], namespace: str = ""
    ) -> tuple[set[Key], list[tuple[str, str]]]:
        """Compare with a listing of names and versions: flows whose objects are gone, and objects that were missed."""
        shelf, there, behind = self._shelves[kind], set(), []
        for body in found:
            if not key_of(kind, body).name:
                continue
            place = (body["metadata"]["namespace"], body["metadata"]["name"])
            there.add(place)
            old = shelf.entries.get(place)
            if old is None or old.uid != body["metadata"]["uid"] or old.version < version_of(body):
                behind.append(place)
        gone = [
            place
            for place, one in shelf.entries.items()
            if place not in there and one.version <= version and namespace in {"", place[0]}
        ]
        keys = {shelf.entries[place].key for place in gone}
        for place in gone:
            self._drop(kind, *place)
        return keys, behind


def key_of(kind: str, body: Json) -> Key:
    """The flow that an object belongs to."""
    meta = body["metadata"]
    return Key(meta["namespace"], meta["name"] if kind == KIND else parse.flow_name(body))
