"use strict";
// The samples of the page. A sample is an index from 0; its fields are looked up in columns.

const { count, columns, scores, extra, measures, models, breakdowns, inputs, name: runName, sheet_frames: sheetFrames } =
  window.REPORT;

// A column may be named like a property of every object: without a prototype, only columns are found.
for (const named of [columns, breakdowns, inputs]) Object.setPrototypeOf(named, null);

function counted(number) {
  return number.toLocaleString("en");
}

// "1 sample", "2,000 samples"
function many(size, noun) {
  return `${counted(size)} ${noun}${size === 1 ? "" : "s"}`;
}

function value(sample, name) {
  const column = columns[name];
  if (!column) return null;
  if (!column.words) return column.values[sample];
  const at = column.at[sample];
  return at < 0 ? null : column.words[at];
}

// The distinct texts of a text column.
function words(name) {
  return columns[name].words;
}

function isNumeric(name) {
  return columns[name].values?.some((found) => typeof found === "number") ?? false;
}

function isEmpty(name) {
  const column = columns[name];
  return column.words ? column.words.length === 0 : column.values.every((found) => found === null);
}

// Every text enters the page here, as text: a prompt that is a tag stays a prompt.
function element(tag, className = "", text = null) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

function button(text, className, onClick) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

function option(select, text, given = text) {
  const made = element("option", "", text);
  made.value = given;
  select.append(made);
}

function number(found) {
  if (found === null) return "–";
  if (typeof found !== "number" || Number.isInteger(found)) return String(found);
  const size = Math.abs(found);
  return found.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.001 ? 3 : 6);
}

function scoreText(sample, name) {
  return number(value(sample, name));
}

function heading(sample) {
  return value(sample, "prompt") ?? value(sample, "row_id");
}

// The samples of one row and seed are comparable: only the model differs.
function groupOf(sample) {
  return `${value(sample, "row_id")}\n${value(sample, "seed")}`;
}

function groupsOf(samples) {
  const groups = new Map();
  for (const sample of samples) {
    const key = groupOf(sample);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(sample);
  }
  return groups;
}

const allSamples = Array.from({ length: count }, (_, sample) => sample);
const allGroups = groupsOf(allSamples);

// A model has one colour everywhere; the palette is in report.css.
function colourOf(model) {
  return models.indexOf(model) % 8;
}

function modelLabel(model) {
  const label = element("span", "model");
  label.append(element("i", `dot m${colourOf(model)}`), model);
  return label;
}

const samplesPerRow = 1 + Math.max(0, ...new Set(columns.sample_index.values));

// Samples of one prompt differ in their seed; people count them.
function sampleNumber(sample) {
  const made = element("span", "soft", `#${value(sample, "sample_index") + 1}`);
  made.title = `sample ${value(sample, "sample_index")}, seed ${value(sample, "seed")}`;
  return made;
}

// A shared page may have posters only.
const videosAreShared = window.REPORT.videos !== "none";

function hasVideo(sample) {
  return videosAreShared && value(sample, "video") !== null;
}

// The address of a file of the output folder; a name may hold any character.
function fileLink(name) {
  return "../" + name.split("/").map(encodeURIComponent).join("/");
}
