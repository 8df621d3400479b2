"use strict";
// The state of the page, which its address holds: a reload or a sent link shows the same view.
//
// A filter is {is: text}, {has: text}, {none: true} or {from: number, to: number}; either end may be null.

const VIEWS = ["overview", "gallery", "sidebyside", "vote", "table", "charts"];
const PLAIN = ["q", "sort", "size", "sample", "columns", "across", "up", "by", "score", "strip"];

const state = { view: "overview", filters: Object.create(null) };
const listeners = [];

function onState(listener) {
  listeners.push(listener);
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  state.view = VIEWS.includes(given.get("view")) ? given.get("view") : "overview";
  for (const name of PLAIN) state[name] = given.get(name) ?? "";
  state.filters = Object.create(null);
  for (const [key, text] of given) {
    const name = key.slice(2);
    if (key.startsWith("f.") && columns[name]) state.filters[name] = readFilter(text);
  }
}

function readFilter(text) {
  if (text.startsWith("is:")) return { is: text.slice(3) };
  if (text.startsWith("has:")) return { has: text.slice(4) };
  if (text === "none") return { none: true };
  const [from, to] = text.split("..").map((end) => (end === "" || Number.isNaN(Number(end)) ? null : Number(end)));
  return { from, to: to ?? null };
}

function filterText(filter) {
  if ("is" in filter) return `is:${filter.is}`;
  if ("has" in filter) return `has:${filter.has}`;
  if (filter.none) return "none";
  return `${filter.from ?? ""}..${filter.to ?? ""}`;
}

function addressOf(wanted) {
  const made = new URLSearchParams({ view: wanted.view });
  for (const name of PLAIN) if (wanted[name]) made.set(name, wanted[name]);
  for (const [name, filter] of Object.entries(wanted.filters)) made.set(`f.${name}`, filterText(filter));
  return `#${made}`;
}

// The link to a state. A link that begins with "#" is a place in the page to a screen reader.
function linkTo(wanted) {
  return location.pathname + addressOf(wanted);
}

// push: a step that the browser's back button undoes.
function setState(change, { push = false } = {}) {
  Object.assign(state, change);
  const address = addressOf(state);
  if (address !== location.hash) history[push ? "pushState" : "replaceState"](null, "", address);
  notify(Object.keys(change));
}

function setFilter(name, filter, change = {}) {
  const filters = Object.assign(Object.create(null), state.filters);
  if (filter === null) delete filters[name];
  else filters[name] = filter;
  setState({ ...change, filters });
}

function notify(changed) {
  for (const listener of listeners) listener(new Set(changed));
}

// The back button, and an address that the user edits.
window.addEventListener("popstate", () => {
  readAddress();
  notify(["view", "filters", ...PLAIN]);
});
