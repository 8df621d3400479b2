"use strict";
// The columns of the table: which are shown, and the chooser.

const NOT_OFFERED = new Set(["traceback", "poster", "kind of error"]);
const offered = ["video", ...Object.keys(columns).filter((name) => !NOT_OFFERED.has(name) && name !== "video" && !isEmpty(name))];

function defaultColumns() {
  const first = ["video", "prompt", "model", "status", ...scores.map(({ name }) => name), ...extra, "generate_s"];
  return first.filter((name) => offered.includes(name) && !(name === "model" && models.length < 2));
}

function shownColumns() {
  if (!state.columns) return defaultColumns();
  const wanted = new Set(state.columns.split(","));
  return order().filter((name) => wanted.has(encodeURIComponent(name)));
}

// The default columns first, then all others.
function order() {
  return [...new Set([...defaultColumns(), ...offered])];
}

function columnChooser() {
  const box = element("details", "chooser");
  box.append(element("summary", "quiet", "Columns"));
  const list = element("div", "chooser-list");
  for (const name of order()) {
    const [label, check] = [element("label"), element("input")];
    check.type = "checkbox";
    check.checked = shownColumns().includes(name);
    check.addEventListener("change", () => toggleColumn(name, check.checked));
    label.append(check, name);
    list.append(label);
  }
  box.append(list);
  box.addEventListener("keydown", (event) => event.key === "Escape" && closeChooser(box));
  return box;
}

function closeChooser(box) {
  box.open = false;
  box.querySelector("summary").focus();
}

// A click beside the list closes it.
document.addEventListener("click", (event) => {
  const box = document.querySelector(".chooser[open]");
  if (box && event.target.isConnected && !box.contains(event.target)) box.open = false;
});

function toggleColumn(name, wanted) {
  const shown = new Set(shownColumns());
  if (wanted) shown.add(name);
  else shown.delete(name);
  const names = order().filter((one) => shown.has(one));
  if (names.length) setState({ columns: names.map(encodeURIComponent).join(",") });
}

// The samples as CSV, with the columns that are shown.
function csv(samples, names) {
  const quoted = (found) => (/[",\r\n]/.test(found) ? `"${found.replaceAll('"', '""')}"` : found);
  const line = (cells) => cells.map((found) => quoted(found === null ? "" : String(found))).join(",");
  return [line(names), ...samples.map((sample) => line(names.map((name) => value(sample, name))))].join("\r\n") + "\r\n";
}
