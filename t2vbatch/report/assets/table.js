"use strict";
// The table: one row for each sample; its head sorts and filters. Filters and order are those of all views.

const ROWS = 80; // added at a time
const SMALL_BINS = 12;

const table = (() => {
  const place = document.getElementById("table");
  let samples = [];
  let names = [];
  let drawn = 0;
  let body = null;
  let head = null;

  function show(wanted) {
    samples = wanted;
    if (!body || names.join() !== shownColumns().join()) build();
    showHead();
    body.replaceChildren();
    drawn = 0;
    more();
  }

  function build() {
    const chooserOpen = place.querySelector(".chooser")?.open;
    names = shownColumns();
    const tools = element("div", "controls");
    const chooser = columnChooser();
    chooser.open = Boolean(chooserOpen);
    tools.append(chooser, button("Save CSV", "quiet", () => saveFile(`${runName}.csv`, csv(samples, names), "text/csv")));
    const made = element("table", "samples-table");
    [head, body] = [element("thead"), element("tbody")];
    head.append(row(names.map(headCell)), row(names.map(filterCell)));
    made.append(head, body);
    keepFocus(place, () => place.replaceChildren(tools, scrolled(made, "Samples")));
  }

  function row(cells) {
    const made = element("tr");
    made.append(...cells);
    return made;
  }

  function headCell(name) {
    const made = cell("th", null, "col");
    if (isNumeric(name)) made.className = "number";
    made.dataset.column = name;
    made.append(name === "video" ? "video" : button(name, "", () => setState({ sort: nextSort(name) })));
    return made;
  }

  // Descending first for numbers, ascending first for texts, then the other way, then as planned.
  function nextSort(name) {
    const turns = isNumeric(name) ? ["desc", "asc"] : ["asc", "desc"];
    const [current, direction] = splitSort();
    const next = current === name ? turns[turns.indexOf(direction) + 1] : turns[0];
    return next ? `${name}:${next}` : "";
  }

  function filterCell(name) {
    const made = element("td", isNumeric(name) ? "number" : "");
    if (name === "video") return made;
    if (hasFewTexts(name) && name !== "prompt") made.append(filterSelect(name));
    else if (isNumeric(name)) made.append(rangeEnd(name, "from", "min"), rangeEnd(name, "to", "max"), element("div", "small-bars"));
    else made.append(textFilter(name));
    made.dataset.filter = name;
    return made;
  }

  function textFilter(name) {
    const input = element("input");
    Object.assign(input, { type: "search", placeholder: "contains" });
    input.setAttribute("aria-label", `${name} contains`);
    input.addEventListener("input", () => setFilter(name, input.value ? { has: input.value } : null));
    return input;
  }

  function rangeEnd(name, end, label) {
    const input = element("input", "range-end");
    Object.assign(input, { type: "number", step: "any", placeholder: label });
    input.dataset.end = end;
    input.setAttribute("aria-label", `${name} ${label}`);
    input.addEventListener("input", () => {
      const range = { from: null, to: null, ...state.filters[name], [end]: input.value === "" ? null : Number(input.value) };
      setFilter(name, range.from === null && range.to === null ? null : range);
    });
    return input;
  }

  // Marks the sorted column and fills the filters in; an input that has the focus keeps its text.
  function showHead() {
    const [sortedBy, direction] = splitSort();
    for (const one of head.querySelectorAll("[data-column]")) {
      if (one.dataset.column === sortedBy) one.setAttribute("aria-sort", direction === "desc" ? "descending" : "ascending");
      else one.removeAttribute("aria-sort");
    }
    for (const control of head.querySelectorAll("[data-filter] input, [data-filter] select")) {
      if (control === document.activeElement) continue;
      const filter = state.filters[control.parentElement.dataset.filter] ?? {};
      control.value = filter[control.dataset.end ?? (control.tagName === "SELECT" ? "is" : "has")] ?? "";
    }
    showDistributions();
  }

  // How the samples are distributed in each column of numbers; its bars filter, as in the charts.
  function showDistributions() {
    for (const place of head.querySelectorAll(".small-bars")) {
      const { filter: name } = place.parentElement.dataset;
      const frame = bars(name, matching(name).filter((sample) => value(sample, name) !== null), SMALL_BINS);
      keepFocus(place, () => place.replaceChildren(...(frame ? [frame] : [])));
    }
  }

  function sampleRow(sample) {
    const made = row(names.map((name) => dataCell(sample, name)));
    made.addEventListener("click", () => openDetail(samples, sample));
    return made;
  }

  function dataCell(sample, name) {
    const made = element("td", isNumeric(name) ? "number" : name === "prompt" ? "wide" : "");
    if (name === "video") {
      const open = button("", "thumb", () => {});
      open.dataset.sample = sample;
      open.setAttribute("aria-label", `open ${heading(sample)}`);
      open.append(value(sample, "video") ? posterBox(sample) : element("span", "status failed", "none"));
      made.append(open);
    } else if (name === "model") made.append(modelLabel(value(sample, "model")));
    else if (name === "status") made.append(element("span", `status ${value(sample, "status")}`, value(sample, "status")));
    else made.append(element("span", "text", isNumeric(name) ? number(value(sample, name)) : (value(sample, name) ?? "–")));
    return made;
  }

  function more() {
    body?.append(...samples.slice(drawn, drawn + ROWS).map(sampleRow));
    drawn += ROWS;
  }

  function hide() {
    place.replaceChildren();
    body = null;
  }

  return { place, show, hide, more };
})();
