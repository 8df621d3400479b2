"use strict";
// The active filters as chips; a click removes one.

function filterLabel(name, filter) {
  if ("is" in filter) return `${name}: ${filter.is}`;
  if ("has" in filter) return `${name} contains ${filter.has}`;
  if (filter.none) return `${name}: none`;
  const { from, to } = filter;
  if (from === null) return `${name} ≤ ${number(to)}`;
  if (to === null) return `${name} ≥ ${number(from)}`;
  return from === to ? `${name}: ${number(from)}` : `${name} ${number(from)} to ${number(to)}`;
}

function showChips() {
  const chips = Object.entries(state.filters).map(([name, filter]) => chip(filterLabel(name, filter), () => setFilter(name, null)));
  if (state.q.trim()) chips.unshift(chip(`search: ${state.q.trim()}`, () => ((search.value = ""), setState({ q: "" }))));
  if (chips.length) chips.push(button("clear all", "link", () => ((search.value = ""), setState({ q: "", filters: Object.create(null) }))));
  const place = document.getElementById("chips");
  keepFocus(place, () => place.replaceChildren(...chips), () => place.querySelector("button") ?? search);
  const active = Object.keys(state.filters).length;
  filterSheet.opener.textContent = active ? `Filters (${active})` : "Filters";
}

function chip(text, remove) {
  const made = button(text, "chip", remove);
  made.title = "remove this filter";
  made.append(element("span", "", " ×"));
  return made;
}
