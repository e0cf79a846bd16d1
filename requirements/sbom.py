"""What an image holds, as SPDX 2.3 in JSON: the distributions of its Python and the packages of its Debian.

    python sbom.py NAME > /opt/venv/share/sbom.spdx.json

Runs inside the image while it is built. The document's time is `SOURCE_DATE_EPOCH`, so that the same packages make the
same bytes. Source: the SPDX specification 2.3, and that of package URLs.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import distributions
from urllib.parse import quote


def main() -> None:
    """Print the document; the argument is the image's name."""
    name = sys.argv[1]
    packages = [_package(*one) for one in sorted({*_of_python(), *_of_debian()})]
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    content = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(packages))
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": f"https://computableflow.dev/sbom/{name}/{content}",
        "creationInfo": {"created": f"{made:%Y-%m-%dT%H:%M:%SZ}", "creators": ["Organization: Computable Flows"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": one["SPDXID"]}
            for one in packages
        ],
    }  # fmt: skip
    json.dump(document, sys.stdout, indent=1)


def _of_python() -> set[tuple[str, str, str]]:
    return {("pypi", re.sub(r"[-_.]+", "-", one.name).lower(), one.version) for one in distributions()}


def _of_debian() -> set[tuple[str, str, str]]:
    try:
        command = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # another system's base image
        return set()
    known = (line.partition(" ") for line in listed.splitlines())
    return {("deb/debian", name, version) for name, _, version in known}


def _package(kind: str, name: str, version: str) -> dict[str, object]:
    place = f"pkg:{kind}/{quote(name)}@{quote(version)}"
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{kind}-{name}"), "name": name, "versionInfo": version,
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": place}
        ],
    }  # fmt: skip


if __name__ == "__main__":
    main()
