"use strict";
// The page as a whole: which samples are wanted, in what order, and which view shows them.

const control = Object.fromEntries(
  ["search", "model", "status", "sort", "size", "more", "count", "nothing"].map((id) => [
    id,
    document.getElementById(id),
  ]),
);
const views = { grid, sidebyside: sideBySide, rows };
const chosen = { view: grid, extra: new Map() };

function fits(sample, search) {
  if (control.model.value && value(sample, "model") !== control.model.value) return false;
  if (control.status.value && value(sample, "status") !== control.status.value) return false;
  for (const [name, select] of chosen.extra) {
    if (select.value && value(sample, name) !== select.value) return false;
  }
  if (!search) return true;
  return `${value(sample, "prompt") ?? ""}\n${value(sample, "row_id")}`.toLowerCase().includes(search);
}

// Samples without a value come last, whichever way the others are sorted.
function by(key, sign) {
  const keys = new Map();
  const keyOf = (sample) => {
    if (!keys.has(sample)) keys.set(sample, key(sample));
    return keys.get(sample);
  };
  return (left, right) => {
    const [a, b] = [keyOf(left), keyOf(right)];
    if (a === null || b === null) return (a === null) - (b === null) || left - right;
    return a === b ? left - right : sign * (a < b ? -1 : 1);
  };
}

// How far apart the models are on a prompt and seed.
function disagreement(name) {
  const ends = new Map();
  for (let sample = 0; sample < count; sample += 1) {
    const found = value(sample, name);
    if (found === null) continue;
    const [low, high, number] = ends.get(groupOf(sample)) ?? [Infinity, -Infinity, 0];
    ends.set(groupOf(sample), [Math.min(low, found), Math.max(high, found), number + 1]);
  }
  return (sample) => {
    const [low, high, number] = ends.get(groupOf(sample)) ?? [0, 0, 0];
    return number > 1 ? high - low : null;
  };
}

function wanted() {
  const search = control.search.value.trim().toLowerCase();
  const found = Array.from({ length: count }, (_, sample) => sample).filter((sample) => fits(sample, search));
  const [how, sign, name] = JSON.parse(control.sort.value);
  if (how === "value") found.sort(by((sample) => value(sample, name), sign));
  if (how === "disagreement") found.sort(by(disagreement(name), sign));
  return found;
}

function refresh() {
  const samples = wanted();
  chosen.view.show(samples);
  charts.show(samples);
  control.count.textContent = samples.length === count ? `${count}` : `${samples.length} of ${count}`;
  control.nothing.hidden = samples.length > 0 || count === 0;
}

function choose(name) {
  chosen.view.hide();
  chosen.view = views[name];
  for (const [other, view] of Object.entries(views)) {
    view.place.hidden = other !== name;
    document.getElementById(`view-${other}`).setAttribute("aria-pressed", other === name);
  }
  document.body.dataset.view = name;
  refresh();
}

function option(select, text, given = text) {
  const made = element("option", "", text);
  made.value = given;
  select.append(made);
}

function fillControls() {
  for (const name of words("model")) option(control.model, name);
  for (const name of words("status")) option(control.status, name);
  const sorting = (text, ...how) => option(control.sort, text, JSON.stringify(how));
  sorting("as planned", "plan");
  for (const { name, better } of scores) {
    const [low, high] = { higher: ["worst", "best"], lower: ["best", "worst"] }[better] ?? ["lowest", "highest"];
    sorting(`${name}: ${high} first`, "value", -1, name);
    sorting(`${name}: ${low} first`, "value", 1, name);
    if (words("model").length > 1) sorting(`${name}: largest disagreement first`, "disagreement", -1, name);
  }
  sorting("slowest first", "value", -1, "generate_s");
  for (const name of extra) addExtraColumn(name);
  charts.fill();
  control.size.value = Math.max(0, ...columns.width.values) > PIXELATED_UP_TO ? 280 : 180;
  for (const name of ["model", "status"]) control[name].closest("label").hidden = words(name).length < 2;
  document.getElementById("view-sidebyside").hidden = words("model").length < 2;
  document.getElementById("charts").hidden = measures.length === 0;
}

// A column of the manifest with few different texts is a filter.
function addExtraColumn(name) {
  const texts = columns[name].words;
  if (!texts || texts.length < 2 || texts.length > 30) return;
  const [label, select] = [element("label", "", `${name} `), element("select")];
  option(select, "all", "");
  for (const text of texts) option(select, text);
  select.addEventListener("change", refresh);
  label.append(select);
  control.status.closest("label").after(label);
  chosen.extra.set(name, select);
}

function resize() {
  document.documentElement.style.setProperty("--card", `${control.size.value}px`);
}

function shortcuts(event) {
  if (detail.open || event.target.matches("input, select, textarea")) return;
  if (event.key === "/") {
    event.preventDefault();
    control.search.focus();
  } else if (!event.target.matches("button")) chosen.view.key?.(event);
}

for (const name of ["model", "status", "sort"]) control[name].addEventListener("change", refresh);
for (const name of Object.keys(views)) {
  document.getElementById(`view-${name}`).addEventListener("click", () => choose(name));
}
let typed = 0;
control.search.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(refresh, 120);
});
control.size.addEventListener("input", resize);
document.addEventListener("keydown", shortcuts);
new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && chosen.view.more(), {
  rootMargin: "600px",
}).observe(control.more);

fillControls();
resize();
listFailures();
choose("grid");
