"""The README's commands run as written, but for the two that run everything; its manifest and table are true."""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from flowapi.atoms import ATOMS
from flowapi.flow import Outline
from flowapi.model import keys
from flowapi.operators import OPERATORS
from flowapi.reader import read_documents
from flowapi.spec import load_manifest
from flowengine.compiler import compile_flow
from kit.flow import LiveFlow

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
WHOLE = ("make demo", "make test")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_shell_blocks_run() -> None:
    for left in ("readme.flow", "readme-result"):
        shutil.rmtree(ROOT / "build" / left, ignore_errors=True)
    ran = 0
    for block in blocks("sh"):
        if block.strip() in WHOLE:
            continue
        done = subprocess.run(["bash", "-euc", block], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        ran += 1
    assert ran == 1
    assert (ROOT / "build/readme.png").stat().st_size > 10_000
    assert all(any(command in block for block in blocks("sh")) for command in WHOLE)


def test_the_cluster_commands_run(cluster, tmp_path) -> None:
    (block,) = blocks("console")
    commands = [line.removeprefix("$ ") for line in block.splitlines()]
    assert commands[0].startswith("make cluster-up")
    assert commands[-1].endswith("--watch")
    namespace, kubeconfig = f"cflow-readme-{secrets.token_hex(2)}", tmp_path / "kubeconfig"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    cluster.kubectl("create", "namespace", namespace)
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": f"{cluster.kubectl_path.parent}:{os.environ['PATH']}"}
    for command in (f"kubectl config set-context --current --namespace={namespace}", *commands[1:-1]):
        subprocess.run(["bash", "-euc", command], cwd=ROOT, env=env, check=True, capture_output=True)
    assert LiveFlow(cluster, namespace, "tv-deblur").phase("Completed")["result"]["reason"] in {
        "Converged",
        "IterationLimit",
    }
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_manifest_compiles(tmp_path) -> None:
    (block,) = blocks("yaml")
    manifest = load_manifest(read_documents(block)[0])
    picture = (np.random.default_rng(0).random((32, 32)) * 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "noisy.png")
    assert compile_flow(manifest.document, tmp_path).choice.method.name == "pd3o"


def test_every_folder_it_names_is_there() -> None:
    for path in [
        *re.findall(r"`((?:crds|engine|operator|charts)/[a-z/-]+|[a-z]+/[a-z-]+\.md)`", README),
        "examples",
        "bench",
        "docs",
    ]:
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_page_of_flows_names_every_word() -> None:
    page = (ROOT / "docs/flows.md").read_text(encoding="utf-8")
    for word in (*keys(Outline), *ATOMS, *OPERATORS):
        assert f"`{word}`" in page, word
    for name, model in {**ATOMS, **OPERATORS}.items():
        for key in set(keys(model)) - {"atom", "arg", "weight", "as"}:
            assert f"`{key}" in page, f"{name}: {key}"


@pytest.mark.parametrize("name", ["deblur/deblur.yaml"])
def test_examples_are_valid_resources(name) -> None:
    value = yaml.safe_load((ROOT / "examples" / name).read_text(encoding="utf-8"))
    assert load_manifest(value).name == value["metadata"]["name"]
