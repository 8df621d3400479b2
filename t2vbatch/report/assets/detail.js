"use strict";
// One video in full: its facts, why it failed, and how to make it again.

const detail = document.getElementById("detail");
const clockOfDetail = makeClock();
let listed = []; // the samples that the page shows, in its order
let opened = 0; // the position in it
let muted = true; // until somebody wants to hear

function openDetail(samples, position) {
  listed = samples;
  showPosition(position);
  if (!detail.open) detail.showModal();
}

function showPosition(position) {
  if (position < 0 || position >= listed.length) return;
  opened = position;
  const sample = listed[opened];
  document.getElementById("position").textContent = `${opened + 1} of ${listed.length}`;
  showStage(sample);
  document.getElementById("facts").replaceChildren(...facts(sample));
}

function showStage(sample) {
  const place = document.getElementById("stage");
  stopStage();
  const picture = film(sample);
  const player = picture.querySelector(".player");
  place.replaceChildren(picture);
  if (!player) return;
  clockOfDetail.add(player);
  if (player.play) place.append(clockOfDetail.bar);
  if ("sound" in player.dataset) place.append(soundSwitch(player));
  clockOfDetail.play(true);
}

function soundSwitch(player) {
  const button = element("button", "sound");
  button.type = "button";
  const show = () => {
    player.muted = muted;
    button.textContent = muted ? "sound off" : "sound on";
    button.setAttribute("aria-pressed", String(!muted));
  };
  button.addEventListener("click", () => {
    muted = !muted;
    show();
  });
  show();
  return button;
}

function stopStage() {
  clockOfDetail.play(false);
  for (const player of document.querySelectorAll("#stage .player")) clockOfDetail.remove(player);
}

function facts(sample) {
  const parts = [element("h2", "prompt", heading(sample))];
  const negative = value(sample, "negative_prompt");
  if (negative) parts.push(element("p", "note", `not: ${negative}`));
  if (value(sample, "prompt_truncated")) {
    const tokens = value(sample, "prompt_tokens");
    parts.push(element("p", "note", `The scorer read only the beginning of this prompt (${tokens} tokens).`));
  }
  if (value(sample, "error")) parts.push(errorBox(sample));
  parts.push(table(factRows(sample)), ...again(sample));
  const more = element("details");
  more.append(element("summary", "", "Everything that is known of it"), table(allRows(sample)));
  return [...parts, more];
}

function factRows(sample) {
  const rows = scores.map(({ name, better }) => {
    const arrow = better === "higher" ? " ↑" : better === "lower" ? " ↓" : "";
    return [name + arrow, scoreText(sample, name)];
  });
  rows.push(["model", value(sample, "model")], ["seed", value(sample, "seed")]);
  rows.push(["row", value(sample, "row_id")], ["sample", value(sample, "sample_index")]);
  if (value(sample, "video")) {
    const size = `${value(sample, "width")} × ${value(sample, "height")}`;
    const length = `${value(sample, "num_frames")} frames at ${number(value(sample, "fps"))} fps`;
    const rate = value(sample, "audio_rate_hz");
    const sound = rate ? `, with sound at ${number(rate)} Hz` : "";
    rows.push(["video", `${size}, ${length}${sound}`], ["file", value(sample, "video")]);
  }
  if (value(sample, "generate_s") !== null) rows.push(["made in", `${number(value(sample, "generate_s"))} s`]);
  return rows.concat(extra.map((name) => [name, value(sample, name)]));
}

function allRows(sample) {
  return Object.keys(columns).filter((name) => name !== "traceback").map((name) => [name, value(sample, name)]);
}

function table(rows) {
  const made = element("table", "facts-table");
  for (const [name, found] of rows) {
    if (found === null) continue;
    const row = element("tr");
    const head = element("th", "", name);
    head.scope = "row";
    row.append(head, element("td", "", String(found)));
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
    more.append(element("summary", "", "traceback"), element("pre", "", traceback));
    box.append(more);
  }
  return box;
}

// A manifest of this one row, and the job with everything else as it was.
function again(sample) {
  const row = { seed: 0, id: value(sample, "row_id"), model: value(sample, "model") };
  for (const name of ["prompt", "negative_prompt"]) if (value(sample, name) !== null) row[name] = value(sample, name);
  Object.assign(row, JSON.parse(value(sample, "call") ?? "{}"));
  // The end mark cannot stand alone on a line of the text: JSON has no line breaks.
  const text = [
    "cat > again.jsonl <<'END'",
    // A seed that JavaScript cannot hold as a number is known as text; in the line it is a number again.
    JSON.stringify(row).replace("0", value(sample, "seed")),
    "END",
    "t2vbatch run job.yaml --set manifest=again.jsonl --set output=again --set samples=1",
  ].join("\n");
  const copy = element("button", "copy", "copy");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "copied";
  });
  const head = element("h3", "", "Make this very video again");
  head.append(copy);
  const note = "In the output folder. An input image must be added to the line as it stood in the manifest.";
  return [head, element("pre", "again", text), element("p", "note", note)];
}

document.getElementById("previous").addEventListener("click", () => showPosition(opened - 1));
document.getElementById("next").addEventListener("click", () => showPosition(opened + 1));
document.getElementById("close").addEventListener("click", () => detail.close());
detail.addEventListener("click", (event) => {
  if (event.target === detail) detail.close();
});
detail.addEventListener("close", () => {
  stopStage();
  document.querySelector(`main .card[data-sample="${listed[opened]}"]`)?.focus();
});
// Of the whole page: a button that had the focus may be gone with the video it belonged to.
document.addEventListener("keydown", (event) => {
  if (!detail.open || event.target.tagName === "INPUT") return;
  if (event.key === "ArrowLeft") showPosition(opened - 1);
  else if (event.key === "ArrowRight") showPosition(opened + 1);
  else if (event.key !== " " || event.target.tagName !== "BUTTON") clockOfDetail.key(event);
});
