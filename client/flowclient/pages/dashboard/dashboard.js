// Keeps a page as it is on the server: parts that changed come as server-sent events, each with its name.
"use strict";

const link = document.getElementById("link");
const TRIES = 3;

/** Makes one element like another and keeps what is alike: focus, scrolling, selections, open details, marks. */
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && !kept(old, name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (old.getAttribute(name) !== value && !kept(old, name)) old.setAttribute(name, value);
  const theirs = [...fresh.childNodes];
  theirs.forEach((one, index) => {
    const mine = old.childNodes[index];
    if (!mine) old.append(one);
    else if (mine.nodeType !== one.nodeType || mine.nodeName !== one.nodeName) mine.replaceWith(one);
    else if (one.nodeType === Node.ELEMENT_NODE) morph(mine, one);
    else if (mine.data !== one.data) mine.data = one.data;
  });
  while (old.childNodes.length > theirs.length) old.lastChild.remove();
}

/** What the reader of the page decides, not the server. */
function kept(element, name) {
  return (name === "open" && element.nodeName === "DETAILS") || name === "hidden" || name === "tabindex";
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html; // of our own server, which escapes whatever it has read
  return template.content;
}

function put(name, html) {
  const place = document.getElementById(name);
  const rows = document.getElementById("rows");
  if (place && place.hasAttribute("data-plain")) {
    if (place.textContent !== html) place.textContent = html;
  } else if (place && place.nodeName === "TR") morph(place, parsed(html).firstElementChild);
  else if (place) {
    const fresh = place.cloneNode(false);
    fresh.append(parsed(html));
    morph(place, fresh);
  } else if (rows) rows.append(parsed(html));
}

function age(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0 s";
  return units.slice(first, first + 2).map(([size, unit], index) => {
    const many = Math.floor((index ? seconds % units[first][0] : seconds) / size);
    return many ? `${many} ${unit}` : "";
  }).filter(Boolean).join(" ");
}

function tick() {
  for (const one of document.querySelectorAll("time[data-age]")) {
    const seconds = Math.max(0, (Date.now() - Date.parse(one.dateTime)) / 1000);
    const text = age(seconds) + (one.dataset.age ? ` ${one.dataset.age}` : "");
    if (one.textContent !== text) one.textContent = text;
    one.title = one.dateTime;
  }
}

/** What scrolls sideways can be reached by keyboard. */
function reach() {
  for (const one of document.querySelectorAll(".wide, pre, .formula")) {
    if (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
}

let version = document.body.dataset.version;
let stream = null;
let failures = 0;

function say(text, trouble) {
  if (link.textContent !== text) link.textContent = text;
  link.classList.toggle("trouble", trouble);
}

function open() {
  if (stream || !document.body.dataset.updates) return;
  const address = document.body.dataset.updates;
  stream = new EventSource(`${address}${address.includes("?") ? "&" : "?"}after=${version}`);
  stream.onopen = () => { failures = 0; say("● live", false); };
  stream.onerror = () => {
    failures += 1;
    if (failures >= TRIES || stream.readyState === EventSource.CLOSED)
      say(`○ not connected since ${new Date().toLocaleTimeString()}: has the dashboard ended?`, true);
    if (stream.readyState === EventSource.CLOSED) { close(); setTimeout(open, 5000); }
  };
  stream.onmessage = (event) => {
    const { parts, gone } = JSON.parse(event.data);
    version = event.lastEventId;
    for (const name of gone) document.getElementById(name)?.remove();
    for (const [name, html] of Object.entries(parts)) put(name, html);
    tick();
    reach();
    document.dispatchEvent(new CustomEvent("changed"));
  };
}

function close() {
  stream?.close();
  stream = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", open);
window.addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
setInterval(tick, 1000);
tick();
reach();
