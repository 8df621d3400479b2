"use strict";
// The facts of one sample, for the detail view.

function facts(sample) {
  const status = value(sample, "status");
  const parts = [element("h2", "prompt", heading(sample))];
  const line = element("p", "facts-line");
  line.append(modelLabel(value(sample, "model")), element("span", `status ${status}`, status));
  parts.push(line);
  const negative = value(sample, "negative_prompt");
  if (negative) parts.push(element("p", "note", `negative prompt: ${negative}`));
  if (value(sample, "prompt_truncated")) {
    parts.push(element("p", "note", `The scorer truncated this prompt (${value(sample, "prompt_tokens")} tokens).`));
  }
  if (value(sample, "video_notes")) parts.push(element("p", "note", value(sample, "video_notes")));
  if (inputs[value(sample, "row_id")]) parts.push(inputImages(inputs[value(sample, "row_id")]));
  if (value(sample, "error")) parts.push(errorBox(sample));
  if (scores.length) parts.push(scoreTable(sample));
  parts.push(links(sample), factTable(factRows(sample)), ...recipeParts(sample));
  const more = element("details");
  more.append(element("summary", "", "All columns"), factTable(allRows(sample)));
  return [...parts, more];
}

// The scores of the same row and seed by every model; those of this sample are bold and come first.
function scoreTable(sample) {
  const group = [sample, ...allGroups.get(groupOf(sample)).filter((other) => other !== sample)];
  const table = element("table", "board score-table");
  table.style.setProperty("--models", group.length);
  const head = element("tr");
  head.append(cell("th", "score", "col"), ...group.map((other) => modelHead(other, other === sample)));
  const body = scores.map(({ name, better }) => {
    const row = element("tr");
    const arrow = better === "higher" ? " ↑" : better === "lower" ? " ↓" : "";
    const title = cell("th", null, "row");
    title.append(...name.split(/(?<=_)/).flatMap((part) => [part, element("wbr")]), arrow);
    row.append(title);
    for (const other of group) {
      const found = element("td", "number");
      found.append(element(other === sample ? "b" : "span", "", scoreText(other, name)));
      row.append(found);
    }
    return row;
  });
  const [top, rest] = [element("thead"), element("tbody")];
  top.append(head);
  rest.append(...body);
  table.append(top, rest);
  return scrolled(table, "Scores of this prompt and seed by each model");
}

// A frame that scrolls a wide table sideways, also by the keyboard.
function scrolled(table, label) {
  const frame = element("div", "scroll");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", label);
  frame.append(table);
  return frame;
}

function cell(tag, text, scope) {
  const made = element(tag, "", text);
  made.scope = scope;
  return made;
}

function modelHead(sample, current) {
  const made = cell("th", null, "col");
  made.className = "number";
  made.title = value(sample, "model");
  made.append(modelLabel(value(sample, "model")));
  if (current) made.setAttribute("aria-current", "true");
  return made;
}

// The input images of the row, each with the column of the manifest that names it.
function inputImages(files) {
  const place = element("div", "inputs");
  for (const [column, name] of files) {
    const [figure, image] = [element("figure"), element("img")];
    image.src = name;
    image.alt = `input image of the column ${column}`;
    figure.append(image, element("figcaption", "soft", column));
    place.append(figure);
  }
  return place;
}

function links(sample) {
  const place = element("p", "links");
  const file = value(sample, "video");
  if (hasVideo(sample)) {
    const [open, save] = [element("a", "", "open the file"), element("a", "", "download")];
    for (const link of [open, save]) link.href = fileLink(file);
    open.target = "_blank";
    save.download = file.slice(file.lastIndexOf("/") + 1);
    place.append(open, save);
  }
  place.append(copyButton(() => location.href, "copy link"));
  return place;
}

function factRows(sample) {
  const rows = [["seed", value(sample, "seed")]];
  rows.push(["row", value(sample, "row_id")], ["sample index", value(sample, "sample_index")]);
  if (value(sample, "video")) {
    const size = `${value(sample, "width")} × ${value(sample, "height")}`;
    const length = `${value(sample, "num_frames")} frames at ${number(value(sample, "fps"))} fps`;
    const rate = value(sample, "audio_rate_hz");
    const sound = rate ? `, with sound at ${number(rate)} Hz` : "";
    rows.push(["video", `${size}, ${length}${sound}`], ["file", value(sample, "video")]);
  }
  if (value(sample, "generate_s") !== null) rows.push(["generated in", `${number(value(sample, "generate_s"))} s`]);
  if (value(sample, "device") !== null) rows.push(["device", value(sample, "device")]);
  return rows.concat(extra.map((name) => [name, value(sample, name)]));
}

function allRows(sample) {
  return Object.keys(columns).filter((name) => name !== "traceback" && name !== "kind of error").map((name) => [name, value(sample, name)]);
}

function factTable(rows) {
  const made = element("table", "facts-table");
  for (const [name, found] of rows) {
    if (found === null) continue;
    const row = element("tr");
    row.append(cell("th", name, "row"), element("td", "", String(found)));
    made.append(row);
  }
  return made;
}

function errorBox(sample) {
  const box = element("div", "error");
  const tries = value(sample, "attempts");
  const after = tries > 1 ? `, after ${tries} attempts` : "";
  box.append(element("p", "", `${value(sample, "error_type")}${after}: ${value(sample, "error")}`));
  const traceback = value(sample, "traceback");
  if (traceback) {
    const more = element("details");
    const text = element("pre", "", traceback);
    text.tabIndex = 0;
    more.append(element("summary", "", "traceback"), text);
    box.append(more);
  }
  return box;
}
