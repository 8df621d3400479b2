"use strict";
// The detail view: a dialog with one sample. Its samples are those of the view that opened it.

const detail = document.getElementById("detail");
let listed = []; // in the order of the view

// Ids are long digests: the address has their beginning while that is unique.
const SHORT_ID = 16;

function shortId(sample) {
  const id = value(sample, "sample_id");
  const short = id.slice(0, SHORT_ID);
  return words("sample_id").filter((other) => other.startsWith(short)).length === 1 ? short : id;
}

function sampleOf(id) {
  if (!id) return null;
  const found = allSamples.find((sample) => value(sample, "sample_id") === id);
  return found ?? allSamples.find((sample) => value(sample, "sample_id").startsWith(id)) ?? null;
}

function openDetail(samples, sample) {
  listed = samples;
  setState({ sample: shortId(sample) }, { push: true });
}

// Shows the sample of the address, or closes the dialog.
function showDetail() {
  const sample = sampleOf(state.sample);
  if (sample === null) {
    if (detail.open) detail.close();
    return;
  }
  if (!listed.includes(sample)) listed = sorted(matching());
  const position = listed.indexOf(sample);
  document.getElementById("position").textContent = position < 0 ? "" : `${counted(position + 1)} of ${counted(listed.length)}`;
  document.getElementById("previous").disabled = position <= 0;
  document.getElementById("next").disabled = position < 0 || position >= listed.length - 1;
  keepFocus(document.getElementById("stage"), () => showStage(sample, showSample));
  document.getElementById("facts").replaceChildren(...facts(sample));
  if (!detail.open) detail.showModal();
}

function showSample(sample) {
  setState({ sample: shortId(sample) });
}

function step(by) {
  const position = listed.indexOf(sampleOf(state.sample)) + by;
  if (position >= 0 && position < listed.length) showSample(listed[position]);
}

document.getElementById("previous").addEventListener("click", () => step(-1));
document.getElementById("next").addEventListener("click", () => step(1));
document.getElementById("close").addEventListener("click", () => detail.close());
detail.addEventListener("click", (event) => {
  if (event.target === detail) detail.close();
});
detail.addEventListener("close", () => {
  stopStage();
  const sample = sampleOf(state.sample);
  if (state.sample) setState({ sample: "" });
  document.querySelector(`main section:not([hidden]) [data-sample="${sample}"]`)?.focus();
});
// On the document: a button that had the focus may have been removed with its video.
document.addEventListener("keydown", (event) => {
  if (!detail.open || event.target.matches("input, select")) return;
  const others = allGroups.get(groupOf(sampleOf(state.sample) ?? 0));
  if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "ArrowRight") step(1);
  else if (/^[1-9]$/.test(event.key) && others[event.key - 1] !== undefined) showSample(others[event.key - 1]);
  else if (event.key !== " " || !event.target.matches("button, summary, a")) stageClock.key(event);
});
