"""Draws what an example was given, what it found, and how it got there.

python examples/draw.py NAME FOLDER PICTURE    # FOLDER: the --root of `cflow run`
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from flowengine.capsule import History, history

HERE = Path(__file__).parent
Arrays = Mapping[str, np.ndarray]
Panel = tuple[str, Callable[[Axes], Any]]
FEATURES = ("intercept", "radius", "texture", "smoothness", "concavity")


def image(values: np.ndarray, **limits: Any) -> Callable[[Axes], Any]:
    """A panel that shows a picture in grey."""

    def put(axis: Axes) -> None:
        axis.imshow(values, cmap="gray", **limits)
        axis.set(xticks=[], yticks=[])

    return put


def picture(path: Path) -> np.ndarray:
    """A 16-bit picture."""
    return np.asarray(Image.open(path)) / 65535


def stem(values: np.ndarray) -> Callable[[Axes], Any]:
    """A panel of the entries of a vector."""
    return lambda axis: axis.stem(values, basefmt="0.7", markerfmt=".")


def digits(values: np.ndarray) -> np.ndarray:
    """The first 32 rows of 64 pixels as a sheet of 4 × 8 pictures."""
    return np.vstack([np.hstack(list(row)) for row in values[:32].reshape(4, 8, 8, 8)])


def wavelet(folder: Path, found: Arrays) -> list[Panel]:
    """The noisy picture and the denoised one."""
    return [("noisy", image(picture(folder / "data/noisy.png"))), ("denoised", image(found["x"], vmin=0, vmax=1))]


def deblur(folder: Path, found: Arrays) -> list[Panel]:
    """The blurred photograph and the deblurred one."""
    return [("blurred", image(picture(folder / "photo/blurred.png"))), ("deblurred", image(found["x"], vmin=0, vmax=1))]


def logistic(folder: Path, found: Arrays) -> list[Panel]:
    """What the coefficients say of each patient, and the coefficients."""
    labels = np.loadtxt(folder / "data/labels.csv")
    scores = np.loadtxt(folder / "data/features.csv", delimiter=",") @ found["w"]

    def patients(axis: Axes) -> None:
        axis.hist([scores[labels < 0], scores[labels > 0]], 40, label=["benign", "malignant"], stacked=True)
        axis.legend(frameon=False)

    return [("score of each patient", patients), ("coefficients", stem(found["w"]))]


def blending(folder: Path, found: Arrays) -> list[Panel]:
    """The blend, and what chemistry it has beside the bounds."""
    chemistry = np.loadtxt(folder / "data/chemistry.csv", delimiter=",") @ found["x"]

    def bounds(axis: Axes) -> None:
        for name in ("least", "most"):
            axis.plot(np.loadtxt(folder / f"data/{name}.csv"), "0.6", ls="--")
        axis.plot(chemistry, "o")
        axis.set(xlabel="measurement")

    return [("share of each wine", stem(found["x"])), ("the blend, within its bounds", bounds)]


def completion(folder: Path, found: Arrays) -> list[Panel]:
    """Some digits with half of their pixels, and completed."""
    known, mask = np.load(folder / "data/known.npy"), np.load(folder / "data/mask.npy")
    left = np.where(mask > 0, 1 - known, 0.6)
    return [("known pixels", image(digits(left))), ("completed", image(digits(1 - found["X"]), vmin=0, vmax=1))]


def tomography(folder: Path, found: Arrays) -> list[Panel]:
    """The sinogram and the slice."""
    return [("sinogram", image(np.load(folder / "data/sinogram.npy"))), ("slice", image(found["x"], vmin=0, vmax=1))]


def porous(folder: Path, found: Arrays) -> list[Panel]:
    """The middle slice of the volume, noisy and denoised."""
    noisy = np.load(folder / "data/noisy.npy").astype(float)
    middle = len(noisy) // 2
    return [("noisy, middle slice", image(noisy[middle])), ("denoised", image(found["x"][middle], vmin=0, vmax=1))]


def graph(folder: Path, found: Arrays) -> list[Panel]:
    """The labels that are known, and those that the graph gives; nodes lie by the graph's slowest eigenvectors."""
    known = np.loadtxt(folder / "data/labels.csv")
    edges = np.loadtxt(folder / "data/edges.csv", delimiter=",", dtype=int)
    laplacian = np.zeros((len(known), len(known)))
    np.add.at(laplacian, (edges, edges), 1)
    np.add.at(laplacian, (edges, edges[:, ::-1]), -1)
    places = np.linalg.eigh(laplacian)[1][:, 1:3]

    def labels(values: np.ndarray) -> Callable[[Axes], Any]:
        def put(axis: Axes) -> None:
            axis.plot(*places[edges].T, color="0.8", lw=0.4, zorder=1)
            axis.scatter(
                places[:, 0],
                places[:, 1],
                c=np.where(values == 0, np.nan, values),
                cmap="coolwarm",
                s=12,
                vmin=-1,
                vmax=1,
            )
            axis.set(xticks=[], yticks=[])

        return put

    return [("known labels", labels(known)), ("labels of all", labels(found["x"]))]


def transport(folder: Path, found: Arrays) -> list[Panel]:
    """Both histograms, and the plan."""
    ends = {name: np.load(folder / f"data/{name}.npy").ravel() for name in ("from", "to")}

    def histograms(axis: Axes) -> None:
        for name, shares in ends.items():
            axis.step(np.arange(len(shares)), shares, label=name)
        axis.legend(frameon=False)

    return [("grey values", histograms), ("the plan", image(-np.sqrt(np.maximum(found["P"], 0))))]


def posterior(_: Path, found: Arrays) -> list[Panel]:
    """Intervals of the coefficients, and R-hat."""
    low, middle, high = found["w_quantiles"]

    def intervals(axis: Axes) -> None:
        axis.errorbar(np.arange(5), middle, [middle - low, high - middle], fmt="o", capsize=4)
        axis.set_xticks(range(5), FEATURES, rotation=30)
        axis.axhline(0, color="0.7", lw=0.8)

    def agreement(axis: Axes) -> None:
        axis.bar(FEATURES, found["w_rhat"] - 1)
        axis.axhline(0.05, color="#b91c1c", ls="--")
        axis.tick_params(axis="x", rotation=30)

    return [("medians and 90 % intervals", intervals), ("R-hat − 1 (below 0.05: the chains agree)", agreement)]


def training(folder: Path, found: Arrays) -> list[Panel]:
    """The spirals, and what the network says of every point of the plane."""
    spirals = np.loadtxt(folder / "spirals.csv", delimiter=",")
    side = 1.1 * np.abs(spirals[:, :2]).max()
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-side, side, 160)], [1.0]), -1)[:, :, 0]
    scores = np.tanh(grid @ found["hidden"]) @ found["output"]

    def points(axis: Axes) -> None:
        axis.scatter(spirals[:, 0], spirals[:, 1], c=spirals[:, 2], cmap="coolwarm", s=10)
        axis.set(xticks=[], yticks=[], aspect="equal")

    def plane(axis: Axes) -> None:
        axis.imshow(np.tanh(scores), cmap="coolwarm", origin="lower", extent=(-side, side, -side, side))
        points(axis)

    return [("two spirals", points), ("what the network says", plane)]


PANELS = {
    one.__name__: one
    for one in (
        wavelet,
        deblur,
        tomography,
        porous,
        completion,
        graph,
        logistic,
        blending,
        transport,
        posterior,
        training,
    )
}


def curve(axis: Axes, told: History) -> None:
    """The residual, or the energy of a sampler, and where the run was interrupted."""
    rows = {name: np.array(told.table[name].to_pylist(), float) for name in ("iter", "E", "residual")}
    sampled = not np.isfinite(rows["residual"]).any()
    name = "E" if sampled else "residual"
    axis.plot(rows["iter"], rows[name], color="#0f766e", lw=1.2, marker="." if len(rows["iter"]) < 20 else "")
    axis.set(title="energy" if sampled else "residual", xlabel="iteration", yscale="linear" if sampled else "log")
    axis.grid(alpha=0.3)
    for event in told.events:
        if event["event"] == "FLOW_RESUMED":
            axis.axvline(event["iter"], color="#b45309", lw=1, ls="--")
            words: dict[str, Any] = {
                "xycoords": ("data", "axes fraction"),
                "rotation": 90,
                "va": "top",
                "ha": "right",
                "fontsize": 8,
            }
            axis.annotate("went on", (event["iter"], 0.98), **words)


def draw(name: str, root: Path, target: Path) -> None:
    """Draw an example.

    Args:
        name: Its folder below examples/.
        root: The --root of `cflow run`.
        target: The picture to write: PNG or JPEG.
    """
    result = (root / "result").resolve()
    found = {path.stem: np.load(path) for path in result.glob("*.npy")}
    panels = PANELS[name](HERE / name, found)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for axis, (title, put) in zip(axes, panels, strict=False):
        put(axis)
        axis.set(title=title)
    curve(axes[2], history(result.parent / "telemetry"))
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=75, pil_kwargs={"quality": 88} if target.suffix == ".jpg" else {"optimize": True})
    plt.close(figure)


if __name__ == "__main__":
    draw(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
