"use strict";
// One prompt and seed in each row, one model in each column, all videos on one clock.

const GROUPS = 12; // added at a time

const sideBySide = (() => {
  const place = document.getElementById("sidebyside");
  const clock = makeClock();
  const head = element("div", "sbs-head");
  const list = element("div");
  place.append(head, list);
  document.getElementById("clock-place").append(clock.bar);
  const watch = watchPlayers(clock.add, clock.remove);
  let groups = [];
  let listed = []; // the samples of all groups, in the order of the page
  let shown = []; // the models that have a column
  let drawn = 0;

  function group(samples) {
    const made = element("section", "group");
    const title = element("h2", "group-head", heading(samples[0]));
    if (samplesPerRow > 1) title.append(" ", sampleNumber(samples[0]));
    const row = element("div", "group-row");
    for (const model of shown) {
      const sample = samples.find((one) => value(one, "model") === model);
      row.append(sample === undefined ? element("div", "card empty") : card(sample));
    }
    made.append(title, row);
    return made;
  }

  function card(sample) {
    const label = modelLabel(value(sample, "model"));
    const made = videoCard(sample, [label], () => openDetail(listed, sample));
    const picture = made.querySelector(".video-box");
    made.style.setProperty("--aspect", picture.style.getPropertyValue("--aspect") || 1);
    watch.observe(picture);
    return made;
  }

  function more() {
    list.append(...groups.slice(drawn, drawn + GROUPS).map(group));
    drawn += GROUPS;
  }

  function show(samples) {
    hide();
    groups = [...groupsOf(samples).values()];
    listed = groups.flat();
    const found = new Set(samples.map((sample) => value(sample, "model")));
    shown = models.filter((model) => found.has(model));
    place.style.setProperty("--models", Math.max(1, shown.length));
    head.replaceChildren(...shown.map(modelLabel));
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
