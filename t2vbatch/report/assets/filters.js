"use strict";
// Which samples match the search and the filters, and the controls that set them.

const FEW_TEXTS = 30; // a text column with at most this many values gets a select

const search = document.getElementById("search");
const selects = new Map(); // column: its select in the bar

function matchesFilter(sample, name, filter) {
  const found = value(sample, name);
  if (filter.none) return found === null;
  if (found === null) return false;
  if ("is" in filter) return String(found) === filter.is;
  if ("has" in filter) return String(found).toLowerCase().includes(filter.has.toLowerCase());
  return (filter.from === null || found >= filter.from) && (filter.to === null || found <= filter.to);
}

// The samples that match everything, or everything but the filter of one column.
function matching(except = null) {
  const text = state.q.trim().toLowerCase();
  const filters = Object.entries(state.filters).filter(([name]) => name !== except);
  return allSamples.filter((sample) => {
    if (!filters.every(([name, filter]) => matchesFilter(sample, name, filter))) return false;
    if (!text) return true;
    return `${value(sample, "prompt") ?? ""}\n${value(sample, "row_id")}`.toLowerCase().includes(text);
  });
}

function hasFewTexts(name) {
  const texts = columns[name].words;
  return texts !== undefined && texts.length <= FEW_TEXTS;
}

// In the bar, a column with one value has no select: it cannot filter.
function hasSelect(name) {
  return hasFewTexts(name) && words(name).length > 1;
}

// A select of the values of a text column, for the bar and for the head of the table.
function filterSelect(name) {
  const select = element("select");
  select.setAttribute("aria-label", `filter by ${name}`);
  option(select, "all", "");
  for (const text of name === "model" ? models.filter((model) => words("model").includes(model)) : words(name)) {
    option(select, text);
  }
  select.addEventListener("change", () => setFilter(name, select.value ? { is: select.value } : null));
  return select;
}

function fillSelects() {
  const place = document.getElementById("filter-selects");
  for (const name of ["model", "status", ...extra].filter(hasSelect)) {
    const [label, select] = [element("label", "", `${name} `), filterSelect(name)];
    label.append(select);
    place.append(label);
    selects.set(name, select);
  }
}

function showFilters() {
  if (document.activeElement !== search) search.value = state.q;
  for (const [name, select] of selects) select.value = state.filters[name]?.is ?? "";
}

// On a phone the filters are a sheet at the bottom of the screen.
const filterSheet = {
  opener: document.getElementById("open-filters"),
  open(wanted) {
    document.body.classList.toggle("filtering", wanted);
    this.opener.setAttribute("aria-expanded", String(wanted));
    (wanted ? document.querySelector("#filters select, #filters input") : this.opener).focus();
  },
};
filterSheet.opener.addEventListener("click", () => filterSheet.open(true));
document.getElementById("close-filters").addEventListener("click", () => filterSheet.open(false));

let typed = 0;
search.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => setState({ q: search.value }), 120);
});
