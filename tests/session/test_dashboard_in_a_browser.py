"""The dashboard as a browser shows it: nothing to object to for axe, keys, narrow windows, and updates that disturb nobody."""

from pathlib import Path

import pytest

from flowclient.dashboard.source import key_of
from kit import browser, screens
from kit.dashboards import Rows, flow_row, served

AXE = (Path(browser.__file__).parent / "axe" / "axe.min.js").read_text()
FAULTS = """
window.faults = [];
addEventListener("error", (event) => faults.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => faults.push(event.violatedDirective + " " + event.blockedURI));
"""
SHOWN = "[...document.querySelectorAll('#rows tr')].filter((one) => !one.hidden).map((one) => one.dataset.name)"
FOCUSED = "document.activeElement.textContent"


@pytest.fixture(scope="module")
def page():
    if not browser.program():
        pytest.skip(browser.MISSING)
    with browser.tab() as found:
        found.call("Page.enable")
        found.call("Page.addScriptToEvaluateOnNewDocument", source=FAULTS)
        yield found


@pytest.fixture(scope="module")
def addresses():
    with screens.pages() as found:
        yield found


@pytest.mark.parametrize("size", screens.SIZES)
@pytest.mark.parametrize("name", ["list", "flow", "compare", "cluster"])
def test_axe_finds_nothing_and_nothing_sticks_out(page, addresses, name, size) -> None:
    screens.show(page, addresses[name], size)
    page.run(AXE)
    found = page.run(
        "axe.run(document, {resultTypes: ['violations']}).then(({violations, passes}) => ({passes: passes.length, violations: "
        "violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 200) + node.failureSummary)])}))"
    )
    assert found["violations"] == []
    assert found["passes"] > 10
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("faults") == []


def test_a_person_without_a_mouse_finds_opens_and_compares_flows(page, addresses) -> None:
    screens.show(page, addresses["list"])
    assert page.run(SHOWN) == ["completion", "tv-deblur", "posterior", "denoise", "denoise", "tomography"]
    page.press("/", "/")
    page.write("denoise")
    page.until(f"({SHOWN}).length === 2")
    assert page.run("document.getElementById('shown').textContent") == "2 shown"
    page.press("Enter", "\r")
    assert page.run(FOCUSED) == "denoise"
    page.press("c", "c")
    page.press("ArrowDown")
    page.press("c", "c")
    assert page.run("document.getElementById('compare').textContent") == "Compare 2"
    page.press("/", "/")
    page.press("Escape")
    assert len(page.run(SHOWN)) == 6
    page.press("ArrowDown")
    assert page.run(FOCUSED) == "completion"
    page.press("End")
    assert page.run(FOCUSED) == "tomography"
    page.press("Enter", "\r")
    page.until("document.title === 'tomography'")
    page.until("document.querySelectorAll('.mark.rollback').length > 0")


def test_the_order_is_the_readers_and_survives_a_reload(page, addresses) -> None:
    screens.show(page, addresses["list"])
    page.run("document.querySelector('th[data-sort=iteration] button').click()")
    assert page.run(SHOWN)[0] == "tv-deblur"
    assert page.run("document.querySelector('th[data-sort=iteration]').getAttribute('aria-sort')") == "descending"
    page.call("Page.reload")
    page.until(screens.LIVE)
    page.until(f"({SHOWN})[0] === 'tv-deblur'")


def test_an_update_of_one_flow_of_500_touches_its_row_and_leaves_the_focus(page) -> None:
    source = Rows(*(flow_row(number) for number in range(500)))
    with served(source) as found:
        screens.show(page, found.address)
        page.run("document.querySelectorAll('#rows a')[9].focus(); 1")
        before = page.run(FOCUSED)
        page.run(
            "window.touched = new Set(); new MutationObserver((all) => all.forEach(({target}) => "
            "touched.add((target.closest ?? target.parentElement.closest).call(target.closest ? target : target.parentElement, "
            "'tr')?.dataset.name))).observe(document.getElementById('rows'), "
            "{subtree: true, childList: true, characterData: true, attributes: true}); 1"
        )
        source.now = {**source.now, key_of("7"): flow_row(7, iteration=3333, saved_at="")}
        page.until("document.querySelector('[data-name=\"flow-7\"]').textContent.includes('3333')")
        touched = set(page.run("[...touched]")) - {"", None}
        assert "flow-7" in touched
        assert page.run(FOCUSED) == before
        assert page.run("document.querySelector('[data-name=\"flow-7\"] progress').value") == 3333
        source.now = {key_of("1"): flow_row(1, state="Stalled", sentence="It stands still.")}
        page.until(f"({SHOWN}).length === 1")
        assert page.run("document.getElementById('counts').textContent") == "1 flow: 1 Stalled."
        assert page.run("document.getElementById('counts').getAttribute('role')") == "status"
    page.until("document.getElementById('link').textContent.includes('not connected')")


def test_what_moves_rests_for_those_who_want_it(page, addresses) -> None:
    screens.show(page, addresses["list"])
    moving = (
        "[...document.querySelectorAll('*')].filter((one) => getComputedStyle(one).transitionDuration !== '0s').length"
    )
    assert page.run(moving) == 0
    page.look(1280, 800)
    assert page.run(moving) > 0
