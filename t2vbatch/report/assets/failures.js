"use strict";
// Samples without a valid video, grouped by the kind of their error as in `t2vbatch failures`; the gallery has each of them.

const LISTED = 20; // links in each group
const LISTED_GROUPS = 50; // groups of the overview; an error that names its row makes a group for each sample

function listFailures() {
  const groups = new Map();
  for (const sample of allSamples) {
    if (value(sample, "status") === "ok") continue;
    const key = `${value(sample, "error_type")}\n${value(sample, "kind of error")}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(sample);
  }
  const ordered = [...groups.values()].sort((left, right) => right.length - left.length);
  const list = document.getElementById("failure-list");
  list.append(...ordered.slice(0, LISTED_GROUPS).map(failure));
  const rest = ordered.slice(LISTED_GROUPS).flat();
  if (rest.length) {
    list.append(
      button(`${counted(rest.length)} more samples with ${counted(ordered.length - LISTED_GROUPS)} other errors: show all`, "link", () =>
        setState({ view: "gallery", filters: { status: { is: value(rest[0], "status") } } }, { push: true }),
      ),
    );
  }
  document.getElementById("failures").hidden = groups.size === 0;
}

function failure(samples) {
  const box = element("details", "failure");
  const head = element("summary");
  const kind = value(samples[0], "error_type") ?? value(samples[0], "status");
  head.append(element("b", "", `${counted(samples.length)} × ${kind}`), ` ${value(samples[0], "error") ?? ""}`);
  const texts = new Set(samples.map((sample) => value(sample, "error"))).size;
  if (texts > 1) head.append(element("span", "soft", ` (${counted(texts)} errors that differ only in paths, ids, sizes or times)`));
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
    const rest = button(`show all ${counted(samples.length)} in the gallery`, "link", () =>
      setState({ view: "gallery", filters: kindFilter(samples[0], texts > 1) }, { push: true }),
    );
    box.append(rest);
  }
  return box;
}

function kindFilter(sample, severalTexts) {
  const filters = {};
  for (const name of ["status", "error_type", severalTexts ? "kind of error" : "error"]) {
    const found = value(sample, name);
    if (found !== null) filters[name] = { is: found };
  }
  return filters;
}
