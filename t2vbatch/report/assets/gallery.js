"use strict";
// The gallery: which samples are shown, in what order, and only as many as were scrolled to.

const PAGE = 60; // cards added at a time: more than one screen holds
const control = Object.fromEntries(
  ["search", "model", "status", "sort", "size", "play", "count", "gallery", "nothing", "more"].map((id) => [
    id,
    document.getElementById(id),
  ]),
);
let shown = []; // the samples that fit the filters, sorted
let drawn = 0; // how many of them have a card

function fits(sample, search) {
  if (control.model.value && value(sample, "model") !== control.model.value) return false;
  if (control.status.value && value(sample, "status") !== control.status.value) return false;
  if (!search) return true;
  const text = `${value(sample, "prompt") ?? ""}\n${value(sample, "row_id")}`;
  return text.toLowerCase().includes(search);
}

// Samples without a value come last, whichever way the others are sorted.
function byColumn(name, sign) {
  return (left, right) => {
    const [a, b] = [value(left, name), value(right, name)];
    if (a === null || b === null) return (a === null) - (b === null);
    return a === b ? left - right : sign * (a < b ? -1 : 1);
  };
}

function refresh() {
  const search = control.search.value.trim().toLowerCase();
  shown = Array.from({ length: count }, (_, sample) => sample).filter((sample) => fits(sample, search));
  const [name, sign] = control.sort.value.split(" ");
  if (name) shown.sort(byColumn(name, Number(sign)));
  inView.disconnect();
  control.gallery.replaceChildren();
  drawn = 0;
  draw();
  control.count.textContent = shown.length === count ? `${count}` : `${shown.length} of ${count}`;
  control.nothing.hidden = shown.length > 0 || count === 0;
}

function draw() {
  const next = shown.slice(drawn, drawn + PAGE);
  const first = drawn;
  control.gallery.append(...next.map((sample, index) => card(sample, () => openDetail(shown, first + index))));
  drawn += next.length;
}

function option(select, text, chosen = text) {
  const made = element("option", "", text);
  made.value = chosen;
  select.append(made);
}

function fillControls() {
  for (const name of words("model")) option(control.model, name);
  for (const name of words("status")) option(control.status, name);
  option(control.sort, "as planned", "");
  for (const { name, better } of scores) {
    option(control.sort, `${name}, ${better === "lower" ? "best" : "lowest"} first`, `${name} 1`);
    option(control.sort, `${name}, ${better === "higher" ? "best" : "highest"} first`, `${name} -1`);
  }
  option(control.sort, "slowest first", "generate_s -1");
  const largest = Math.max(0, ...columns.width.values);
  control.size.value = largest > PIXELATED_UP_TO ? 280 : 180;
}

function resize() {
  document.documentElement.style.setProperty("--card", `${control.size.value}px`);
}

function replay() {
  for (const player of control.gallery.querySelectorAll(".player")) stop(player);
  inView.disconnect();
  for (const picture of control.gallery.querySelectorAll(".film")) inView.observe(picture);
}

// Failures that say the same are one entry; the gallery has each of them.
function listFailures() {
  const groups = new Map();
  for (let sample = 0; sample < count; sample += 1) {
    if (value(sample, "status") === "ok") continue;
    const key = `${value(sample, "error_type")}\n${value(sample, "error")}`;
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  const list = document.getElementById("failure-list");
  for (const samples of groups.values()) list.append(failure(samples));
  document.getElementById("failures").hidden = groups.size === 0;
}

function failure(samples) {
  const box = element("details", "failure");
  const head = element("summary", "");
  head.append(element("b", "", `${samples.length} × ${value(samples[0], "error_type")}`));
  head.append(` ${value(samples[0], "error") ?? ""}`);
  box.append(head);
  const traceback = value(samples[0], "traceback");
  if (traceback) box.append(element("pre", "", traceback));
  for (const [position, sample] of samples.slice(0, 20).entries()) {
    const name = `${value(sample, "model")} · ${value(sample, "prompt") ?? value(sample, "row_id")}`;
    const link = element("button", "link", name);
    link.type = "button";
    link.addEventListener("click", () => openDetail(samples, position));
    box.append(link);
  }
  if (samples.length > 20) box.append(element("p", "note", `and ${samples.length - 20} more: filter by status`));
  return box;
}

for (const name of ["model", "status", "sort"]) control[name].addEventListener("change", refresh);
control.search.addEventListener("input", refresh);
control.size.addEventListener("input", resize);
control.play.addEventListener("change", replay);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target.tagName !== "INPUT" && !detail.open) {
    event.preventDefault();
    control.search.focus();
  }
});
new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && draw(), {
  rootMargin: "600px",
}).observe(control.more);

fillControls();
resize();
listFailures();
refresh();
