"use strict";
// Samples without a valid video, grouped by their error; the gallery has each of them.

const LISTED = 20; // links in each group

function listFailures() {
  const groups = new Map();
  for (const sample of allSamples) {
    if (value(sample, "status") === "ok") continue;
    const key = `${value(sample, "error_type")}\n${value(sample, "error")}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(sample);
  }
  const ordered = [...groups.values()].sort((left, right) => right.length - left.length);
  document.getElementById("failure-list").append(...ordered.map(failure));
  document.getElementById("failures").hidden = groups.size === 0;
}

function failure(samples) {
  const box = element("details", "failure");
  const head = element("summary");
  const kind = value(samples[0], "error_type") ?? value(samples[0], "status");
  head.append(element("b", "", `${samples.length} × ${kind}`), ` ${value(samples[0], "error") ?? ""}`);
  box.append(head);
  const traceback = value(samples[0], "traceback");
  if (traceback) {
    const text = element("pre", "", traceback);
    text.tabIndex = 0;
    box.append(text);
  }
  for (const sample of samples.slice(0, LISTED)) {
    box.append(button(`${value(sample, "model")} · ${heading(sample)}`, "link", () => openDetail(samples, sample)));
  }
  if (samples.length > LISTED) {
    const rest = button(`show all ${samples.length} in the gallery`, "link", () =>
      setState({ view: "gallery", filters: kindFilter(samples[0]) }, { push: true }),
    );
    box.append(rest);
  }
  return box;
}

function kindFilter(sample) {
  const kind = value(sample, "error_type");
  return kind === null ? { status: { is: value(sample, "status") } } : { error_type: { is: kind } };
}
