"""The list of what an image holds, as the build makes it."""

import json
import subprocess
import sys
from importlib.metadata import version

from kit.cluster.paths import CHECKOUT


def document() -> bytes:
    return subprocess.run(
        [sys.executable, CHECKOUT / "requirements" / "sbom.py", "engine"], capture_output=True, check=True
    ).stdout


def test_it_names_each_package_once_with_its_version_and_place():
    found = json.loads(document())
    assert {"spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo"} <= set(found)
    packages = {one["SPDXID"]: one for one in found["packages"]}
    assert len(packages) == len(found["packages"]) > 100
    jax = packages["SPDXRef-pypi-jax"]
    assert (jax["name"], jax["versionInfo"]) == ("jax", version("jax"))
    assert jax["externalRefs"][0]["referenceLocator"] == f"pkg:pypi/jax@{version('jax')}"
    assert {one["relatedSpdxElement"] for one in found["relationships"]} == set(packages)


def test_the_same_packages_make_the_same_bytes():
    assert document() == document()
