"""`cflow atoms` and `cflow operators`: what a document may say."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from flowapi.catalogue import Entry, as_yaml
from flowapi.errors import DataError
from flowapi.model import nearest
from flowengine.cli.messages import plain_errors


def show(entries: Mapping[str, Entry], name: str, kind: str, *, as_json: bool) -> None:
    """All of them in a list, or one with its keys and a flow that runs."""
    with plain_errors():
        if name and name not in entries:
            raise DataError(f"there is no {kind} `{name}`", remedy=nearest(name, entries))
        if as_json:
            body = asdict(entries[name]) if name else [asdict(entry) for entry in entries.values()]
            sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
        elif name:
            sys.stdout.write(_one(entries[name]))
        else:
            width = max(map(len, entries))
            sys.stdout.writelines(f"{entry.name:{width}}  {entry.formula}\n" for entry in entries.values())
            sys.stdout.write(f"\n`cflow {kind}s NAME` shows its keys and a flow that runs.\n")


def _one(entry: Entry) -> str:
    keys = "".join(f"  {key}: {meaning}\n" for key, meaning in entry.keys.items())
    return f"{entry.name}: {entry.formula}\n{keys}\n{as_yaml(entry.example)}"
