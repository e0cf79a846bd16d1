// The list of flows: filter, order, keys, and flows that are marked for a comparison.
"use strict";

const rows = document.getElementById("rows");
const filter = document.getElementById("filter");
const state = document.getElementById("state");
const shown = document.getElementById("shown");
const compare = document.getElementById("compare");
const titles = [...document.querySelectorAll("th[data-sort]")];
const TEXT = new Set(["name", "saved"]);
const DESCENDING = new Set(["iteration", "residual", "rate", "saved"]);
const MOST_COMPARED = 8;
const wanted = new URLSearchParams(location.hash.slice(1));
let by = wanted.get("by") || "state";
let down = wanted.get("down") === "1";
filter.value = wanted.get("q") || "";
state.value = wanted.get("state") || "";

function value(row) {
  const text = row.dataset[by] ?? "";
  if (by === "name") return text.toLowerCase();
  return TEXT.has(by) || text === "" ? text : Number(text);
}

function compared(a, b) {
  const [left, right] = [value(a), value(b)];
  if ((left === "") !== (right === "")) return left === "" ? 1 : -1; // what has no value comes last
  if (left !== right) return (left < right ? -1 : 1) * (down ? -1 : 1);
  return a.dataset.text.localeCompare(b.dataset.text) || (a.id < b.id ? -1 : 1);
}

/** Moves only the rows that are out of place, so that the focus stays. */
function order() {
  const sorted = [...rows.children].sort(compared);
  const focused = document.activeElement;
  sorted.forEach((row, index) => {
    if (rows.children[index] !== row) rows.insertBefore(row, rows.children[index]);
  });
  if (focused && focused !== document.activeElement && rows.contains(focused)) focused.focus({ preventScroll: true });
}

function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows.children) {
    const text = row.dataset.text.toLowerCase();
    const fits = words.every((word) => text.includes(word)) && (!state.value || row.dataset.word === state.value);
    if (row.hidden === fits) row.hidden = !fits;
    count += fits;
  }
  const text = filter.value || state.value ? `${count} shown` : "";
  if (shown.textContent !== text) shown.textContent = text;
}

function mark() {
  const many = rows.querySelectorAll("input:checked").length;
  compare.disabled = many < 2 || many > MOST_COMPARED;
  compare.textContent = many ? `Compare ${many}` : "Compare";
  compare.title = many > MOST_COMPARED ? `At most ${MOST_COMPARED}` : many < 2 ? "Mark two flows or more" : "";
}

function remember() {
  const found = new URLSearchParams();
  if (filter.value) found.set("q", filter.value);
  if (state.value) found.set("state", state.value);
  if (by !== "state" || down) { found.set("by", by); found.set("down", down ? "1" : "0"); }
  history.replaceState(null, "", found.size ? `#${found}` : location.pathname);
}

function renew() {
  order();
  sift();
  mark();
}

function title() {
  for (const one of titles) {
    if (one.dataset.sort === by) one.setAttribute("aria-sort", down ? "descending" : "ascending");
    else one.removeAttribute("aria-sort");
  }
}

for (const one of titles) {
  one.querySelector("button").addEventListener("click", () => {
    down = by === one.dataset.sort ? !down : DESCENDING.has(one.dataset.sort);
    by = one.dataset.sort;
    title();
    renew();
    remember();
  });
}

function step(key) {
  const links = [...rows.children].filter((row) => !row.hidden).map((row) => row.querySelector("a"));
  const at = links.findIndex((one) => one.closest("tr").contains(document.activeElement));
  const next = { ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), Home: 0, End: links.length - 1 }[key];
  links[Math.min(next, links.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const writing = event.target === filter || event.target === state;
  if (event.key === "/" && !writing) {
    event.preventDefault();
    filter.focus();
    filter.select();
  } else if (event.key === "Escape" && writing) {
    filter.value = state.value = "";
    sift();
    remember();
    event.target.blur();
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && event.target !== state) {
    event.preventDefault();
    step(event.key);
  } else if (["Home", "End"].includes(event.key) && rows.contains(event.target)) {
    event.preventDefault();
    step(event.key);
  } else if (event.key === "c" && !writing) {
    const box = document.activeElement.closest("#rows tr")?.querySelector("input");
    if (box) { box.checked = !box.checked; mark(); }
  } else if (event.key === "Enter" && event.target === filter) {
    event.preventDefault();
    step("Home");
  }
});

filter.addEventListener("input", () => { sift(); remember(); });
state.addEventListener("change", () => { sift(); remember(); });
rows.addEventListener("change", mark);
document.addEventListener("changed", renew);
window.addEventListener("pageshow", mark);
title();
renew();
