"use strict";
// The same prompt and seed by every model, side by side, all on one clock.

const GROUPS = 12; // added at a time

const sideBySide = (() => {
  const place = document.getElementById("sidebyside");
  const clock = makeClock();
  const list = element("div");
  place.append(list);
  document.querySelector(".bar").append(clock.bar);
  const watch = watchPlayers(clock.add, clock.remove);
  let groups = [];
  let listed = []; // the samples of all groups, in the order of the page
  let drawn = 0;

  function group(samples) {
    const made = element("section", "group");
    const head = element("p", "group-head");
    head.append(element("span", "prompt", heading(samples[0])));
    head.append(element("span", "line", ` seed ${value(samples[0], "seed")}`));
    const row = element("div", "group-row");
    row.append(...samples.map(cell));
    made.append(head, row);
    return made;
  }

  function cell(sample) {
    const made = element("button", `card ${value(sample, "status")}`);
    made.type = "button";
    made.dataset.sample = sample;
    const picture = film(sample);
    const line = element("span", "line");
    line.append(element("b", "", value(sample, "model")));
    made.append(picture, line, scoreLine(sample));
    made.addEventListener("click", () => openDetail(listed, listed.indexOf(sample)));
    watch.observe(picture);
    return made;
  }

  function more() {
    list.append(...groups.slice(drawn, drawn + GROUPS).map(group));
    drawn += GROUPS;
  }

  function show(samples) {
    hide();
    const found = new Map();
    for (const sample of samples) {
      const key = groupOf(sample);
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(sample);
    }
    // Models keep their columns, whatever the groups are sorted by.
    groups = [...found.values()].map((members) => members.sort((a, b) => a - b));
    listed = groups.flat();
    more();
  }

  function hide() {
    clock.play(false);
    watch.disconnect();
    for (const player of list.querySelectorAll(".player[src]")) clock.remove(player);
    list.replaceChildren();
    drawn = 0;
  }

  return { place, show, hide, more, key: clock.key };
})();
