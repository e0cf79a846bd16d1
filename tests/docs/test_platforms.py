"""Both images can be built for both kinds of CPU that docs/how-to/install.md names: whatever is locked has wheels."""

import subprocess
import sys

import pytest

from kit.cluster.paths import CHECKOUT

PYTHON = "3.13"  # of the Dockerfile's base


@pytest.mark.thorough
@pytest.mark.parametrize("cpu", ["x86_64", "aarch64"])
@pytest.mark.parametrize("image", ["engine", "operator"])
def test_every_locked_dependency_has_a_wheel(tmp_path, image, cpu):
    command = [
        sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--require-hashes", "--no-deps", "--only-binary", ":all:",
        "--python-platform", f"{cpu}-manylinux_2_28", "--python-version", PYTHON, "--target", str(tmp_path),
        "--requirement", str(CHECKOUT / "requirements" / f"{image}.txt"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
