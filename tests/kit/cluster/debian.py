"""What comes from Debian: containerd and what it needs, what builds images, what tests of volumes, kills and pages use."""

import os
import shutil
import sys
from pathlib import Path

from kit.cluster.errors import KitError
from kit.cluster.run import run, say

NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "socat": "socat",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "/bin/busybox": "busybox-static",
    "strace": "strace",
    "mkfs.ext4": "e2fsprogs",
    "losetup": "mount",
    "chromium": "chromium",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": "fonts-dejavu-core",
}
_ANSWERS = {"1", "true", "yes"}


def missing() -> list[str]:
    """The packages whose programs are not there."""
    search = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return [
        package
        for program, package in NEEDED.items()
        if not (Path(program).exists() if program.startswith("/") else shutil.which(program, path=search))
    ]


def install() -> None:
    """Install what is missing: in CI, with `CFLOW_YES=1`, or after a yes.

    Raises:
        KitError: there is no apt, nobody said yes, or it failed.
    """
    packages = missing()
    if not packages:
        return
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise KitError(f"the built-in cluster needs these Debian packages or their like: {' '.join(packages)}")
    say(f"Debian packages needed: {' '.join(packages)}")
    if not _agreed():
        raise KitError(f"packages are missing. Install them with `{command}`, or run again with CFLOW_YES=1")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], env=quiet)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages], env=quiet)


def _agreed() -> bool:
    if any(os.environ.get(name, "").lower() in _ANSWERS for name in ("CI", "CFLOW_YES")):
        return True
    return sys.stdin.isatty() and input("Install them now? [y/N] ").strip().lower() in {"y", "yes"}
