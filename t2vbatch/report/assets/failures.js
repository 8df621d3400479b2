"use strict";
// What has no video, grouped by what went wrong; the gallery has each of them.

function listFailures() {
  const groups = new Map();
  for (let sample = 0; sample < count; sample += 1) {
    if (value(sample, "status") === "ok") continue;
    const key = `${value(sample, "error_type")}\n${value(sample, "error")}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(sample);
  }
  const list = document.getElementById("failure-list");
  for (const samples of groups.values()) list.append(failure(samples));
  document.getElementById("failures").hidden = groups.size === 0;
}

function failure(samples) {
  const box = element("details", "failure");
  const head = element("summary");
  head.append(element("b", "", `${samples.length} × ${value(samples[0], "error_type")}`));
  head.append(` ${value(samples[0], "error") ?? ""}`);
  box.append(head);
  const traceback = value(samples[0], "traceback");
  if (traceback) box.append(element("pre", "", traceback));
  for (const [position, sample] of samples.slice(0, 20).entries()) {
    const link = element("button", "link", `${value(sample, "model")} · ${heading(sample)}`);
    link.type = "button";
    link.addEventListener("click", () => openDetail(samples, position));
    box.append(link);
  }
  if (samples.length > 20) box.append(element("p", "note", `and ${samples.length - 20} more: filter by status`));
  return box;
}
