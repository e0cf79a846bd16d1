"""`python -P -m kit.screens DIR`: pictures of the dashboard, light, dark and narrow; without DIR those in docs/pictures."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowclient.dashboard.folders import Folders
from flowclient.kube import known
from flowclient.kube.source import Cluster
from kit import gallery
from kit.browser import Tab, tab
from kit.dashboards import served
from kit.kubectls import fake, flow

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
LIVE = "document.getElementById('link')?.textContent.includes('live')"
SIZES = {"": (1280, 800, False), "-dark": (1280, 800, True), "-narrow": (360, 740, False)}
DOCS = ("list", "flow", "compare-dark")


@contextmanager
def pages() -> Iterator[dict[str, str]]:
    """Dashboards over a gallery of flows and over a cluster of one: addresses of pages by name."""
    with tempfile.TemporaryDirectory(prefix="gallery-") as folder:
        source = Folders([gallery.make(Path(folder) / "flows")])
        keys = {row.place: key for key, row in source.rows().items()}
        compared = "&".join(f"flow={key}" for place, key in keys.items() if place.startswith("sweep/"))
        with served(source) as found, served(Cluster(fake())) as cluster:
            yield {
                "list": found.address,
                "flow": f"{found.address}flow/{keys['tomography.flow']}",
                "compare": f"{found.address}compare?{compared}",
                "cluster": f"{cluster.address}flow/{known.key(flow())}",
            }


def show(page: Tab, address: str, size: str = "") -> None:
    """Open a page and wait until it is live."""
    width, height, dark = SIZES[size]
    page.look(width, height, dark=dark, still=True)
    page.open(address)
    page.until(LIVE)


def main(target: Path | None) -> None:
    """Make the pictures."""
    with pages() as addresses, tab() as page:
        for name, address in addresses.items():
            for size in SIZES:
                if target is None and f"{name}{size}" not in DOCS:
                    continue
                show(page, address, size)
                file = (target or PICTURES) / f"dashboard-{name}{size}.png"
                page.shoot(file, whole=target is not None)
                print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
