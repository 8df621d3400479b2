"use strict";
// Every sample as a line of a table that sorts and filters by any column.

const rows = (() => {
  const place = document.getElementById("rows");
  const hidden = new Set(["traceback", "poster", "sample_id", "frames_sha256", "call", "versions"]);
  let tabulator = null;

  // As an element: a column of the manifest may be named like a tag.
  const asText = (cell) => element("span", "", cell.getValue());

  function column(name) {
    const numeric = columns[name].values?.some((found) => typeof found === "number");
    const made = { title: name, field: name, titleFormatter: asText, headerFilter: "input" };
    if (!numeric) return { ...made, maxWidth: name === "prompt" ? 420 : 220, headerFilterPlaceholder: "contains" };
    const atLeast = (wanted, found) => found !== null && found >= Number(wanted);
    return {
      ...made,
      hozAlign: "right",
      sorter: "number",
      sorterParams: { alignEmptyValues: "bottom" },
      headerFilterPlaceholder: "at least",
      headerFilterFunc: atLeast,
      formatter: (cell) => number(cell.getValue()),
    };
  }

  function order() {
    const first = ["prompt", "model", "seed", "status", ...scores.map(({ name }) => name), ...extra];
    const known = Object.keys(columns).filter((name) => !hidden.has(name) && !empty(name));
    return [...first.filter((name) => !empty(name)), ...known.filter((name) => !first.includes(name))];
  }

  function show(samples) {
    hide();
    const names = order();
    // Fields are numbered: Tabulator reads a dot in a field's name as a path.
    const field = (index) => `c${index}`;
    const data = samples.map((sample) => {
      const line = { sample };
      names.forEach((name, index) => (line[field(index)] = value(sample, name)));
      return line;
    });
    tabulator = new Tabulator(place.appendChild(element("div")), {
      data,
      columns: names.map((name, index) => ({ ...column(name), field: field(index) })),
      height: "78vh",
      placeholder: "Nothing fits these filters.",
    });
    tabulator.on("rowClick", (_, row) => {
      const listed = tabulator.getData("active").map((line) => line.sample);
      openDetail(listed, listed.indexOf(row.getData().sample));
    });
  }

  function hide() {
    tabulator?.destroy();
    tabulator = null;
    place.replaceChildren();
  }

  return { place, show, hide, more: () => {} };
})();

function empty(name) {
  return columns[name].words ? columns[name].words.length === 0 : columns[name].values.every((found) => found === null);
}
