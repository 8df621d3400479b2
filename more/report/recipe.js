"use strict";
// How to generate one video again: a manifest of its row, and the job with everything else unchanged.

function recipe(sample) {
  const row = { seed: 0, id: value(sample, "row_id"), model: value(sample, "model") };
  for (const name of ["prompt", "negative_prompt"]) if (value(sample, name) !== null) row[name] = value(sample, name);
  Object.assign(row, JSON.parse(value(sample, "call") ?? "{}"));
  // JSON has no line breaks, so the end mark cannot be a line of the text.
  return [
    "cat > again.jsonl <<'END'",
    // A seed that JavaScript cannot represent is stored as text; the line has it as a number again.
    JSON.stringify(row).replace("0", value(sample, "seed")),
    "END",
    "t2vbatch run job.yaml --set manifest=again.jsonl --set output=again --set samples=1",
  ].join("\n");
}

function recipeParts(sample) {
  const text = recipe(sample);
  const head = element("h3", "", "Reproduce this video");
  head.append(copyButton(() => text));
  const note = "Run this in the output folder. Add the columns of input images and videos from the manifest to the line.";
  const box = element("pre", "recipe", text);
  box.tabIndex = 0;
  return [head, box, element("p", "note", note)];
}

function copyButton(text, label = "copy") {
  const made = button(label, "copy", async () => {
    try {
      await navigator.clipboard.writeText(text());
      made.textContent = "copied";
    } catch {
      made.textContent = "the browser refused"; // it may block the clipboard for pages from disk
    }
    setTimeout(() => (made.textContent = label), 1500);
  });
  return made;
}
