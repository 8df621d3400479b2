"use strict";
// The samples. One sample is a number, from 0; its fields are looked up in columns.

const { count, columns, scores, extra, measures, sheet_frames: sheetFrames } = window.REPORT;

function value(sample, name) {
  const column = columns[name];
  if (!column) return null;
  if (!column.words) return column.values[sample];
  const at = column.at[sample];
  return at < 0 ? null : column.words[at];
}

// Every different text of a column, in the order in which the results have them.
function words(name) {
  return columns[name].words;
}

// All text reaches the page through here, as text: a prompt that is a tag stays a prompt.
function element(tag, className = "", text = null) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

function number(found) {
  if (found === null) return "–";
  if (Number.isInteger(found)) return String(found);
  const size = Math.abs(found);
  return found.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.001 ? 3 : 6);
}

// Samples of one prompt and seed belong together, whichever model made them.
function groupOf(sample) {
  return `${value(sample, "row_id")}\n${value(sample, "seed")}`;
}

function scoreText(sample, name) {
  return number(value(sample, name));
}

// A file of the output folder as the page reaches it; a name may hold any character.
function fileLink(name) {
  return "../" + name.split("/").map(encodeURIComponent).join("/");
}
