"""The same program on several devices: the step knows nothing of how its arrays lie."""

import json
import subprocess
import sys
from pathlib import Path

METHODS = {"pg", "fista", "pd3o", "admm", "palm", "rgd", "ula", "mala", "myula", "leapfrog", "hmc"}


def test_every_method_on_two_devices_agrees_with_one_within_rounding() -> None:
    script = Path(__file__).with_name("mesh.py")
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, timeout=300)
    found = json.loads(done.stdout)
    assert {name.split(maxsplit=1)[0] for name in found} == METHODS
    for name, one in found.items():
        assert one["method"] == name.split(maxsplit=1)[0]
        assert one["split"] > 0, name
        assert one["away"] < 1e-10, name
