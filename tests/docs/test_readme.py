"""The README's commands run as written, but for the two that run everything; its manifest compiles."""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from flowapi.reader import read_documents
from flowapi.spec import load_manifest
from flowengine.compiler import compile_flow
from kit import pages
from kit.flow import LiveFlow

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
WHOLE = ("make demo", "make test")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_shell_blocks_run() -> None:
    for left in ("readme.flow", "readme"):
        shutil.rmtree(ROOT / "build" / left, ignore_errors=True)
    run = [block for block in blocks("sh") if block.strip() not in WHOLE]
    assert len(run) == 2
    for block in run:
        done = subprocess.run(["bash", "-euc", block], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stdout + done.stderr
        assert "Converged" in done.stdout
    assert (ROOT / "build/readme.png").stat().st_size > 10_000
    assert (ROOT / "build/readme/denoised/x.png").exists()
    assert all(any(command in block for block in blocks("sh")) for command in WHOLE)


def test_the_cluster_commands_run(cluster, tmp_path) -> None:
    (block,) = blocks("console")
    commands = pages.commands(block)
    assert commands[-1] == "kubectl apply -f examples/deblur/deblur.yaml"
    namespace, kubeconfig = f"cflow-readme-{secrets.token_hex(2)}", tmp_path / "kubeconfig"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    cluster.kubectl("create", "namespace", namespace)
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": f"{cluster.kubectl_path.parent}:{os.environ['PATH']}"}
    for command in (f"kubectl config set-context --current --namespace={namespace}", *commands):
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
