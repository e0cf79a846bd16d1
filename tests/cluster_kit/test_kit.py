"""The kit itself: which cluster it takes, what it says when there is none, and that it names what is missing."""

import io
from dataclasses import dataclass

import pytest

from kit.cluster import KitError, debian, images, tools
from kit.cluster.builtin.provider import Builtin
from kit.cluster.given import VARIABLE, Given
from kit.cluster.provider import choose, providers


@dataclass(frozen=True)
class Offer:
    name: str
    lacks: str

    def missing(self) -> str:
        return self.lacks


def test_a_given_cluster_comes_before_kind_and_kind_before_the_built_in_one():
    assert [one.name for one in providers()] == ["given", "kind", "builtin"]
    assert choose([Offer("a", "no a"), Offer("b", ""), Offer("c", "")]).name == "b"


def test_without_any_the_error_says_what_each_one_lacks():
    with pytest.raises(KitError, match="no a; no b"):
        choose([Offer("a", "no a"), Offer("b", "no b")])


def test_a_given_kubeconfig_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    assert Given().missing() == ""
    with pytest.raises(KitError, match="there is no file"):
        Given().up()


def test_the_images_of_a_given_cluster_must_be_named(monkeypatch):
    monkeypatch.setenv("CFLOW_TEST_ENGINE_IMAGE", "engine:1")
    monkeypatch.delenv("CFLOW_TEST_OPERATOR_IMAGE", raising=False)
    with pytest.raises(KitError, match="CFLOW_TEST_OPERATOR_IMAGE"):
        images.given()


def test_the_built_in_cluster_says_that_it_needs_root(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "root" in Builtin().missing()


def test_missing_packages_are_named_and_never_installed_unasked(monkeypatch):
    monkeypatch.setattr(debian, "NEEDED", {"no-such-program": "some-package", "/no/such/file": "another"})
    for name in ("CI", "CFLOW_YES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("shutil.which", lambda name, path=None: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert debian.missing() == ["some-package", "another"]
    with pytest.raises(KitError, match="apt-get install --no-install-recommends some-package another"):
        debian.install()


def test_the_versions_are_locked():
    assert tools.kubernetes_version().startswith("v1.34.")
    assert len(tools.key()) == 12


def test_two_nodes_take_pods(cluster):
    assert cluster.wait_for("two nodes that take pods", lambda: len(cluster.nodes()) >= 2)
