"use strict";
// The strip at the top of the page: a few prompts as columns, the models as rows, all on one clock.

const STRIP_COLUMNS = 12;

const strip = (() => {
  const place = document.getElementById("strip");
  const clock = makeClock();
  const watch = watchPlayers(clock.add, clock.remove);
  const shownModels = models.slice(0, window.REPORT.strip_rows);

  // Groups at equal distances; those with a video of every model first.
  function columnsOfStrip() {
    const groups = [...allGroups.values()].filter((group) => group.some((sample) => value(sample, "video")));
    const isWhole = (group) => shownModels.every((model) => group.some((one) => value(one, "model") === model && value(one, "video")));
    const whole = distinctPrompts(groups.filter(isWhole));
    const prompts = new Set(whole.map((group) => heading(group[0])));
    const partial = distinctPrompts(groups).filter((group) => !prompts.has(heading(group[0])));
    const chosen = spread(whole, STRIP_COLUMNS);
    return [...chosen, ...spread(partial, STRIP_COLUMNS - chosen.length)];
  }

  // At most this many of them, at equal distances.
  function spread(groups, most) {
    const wanted = Math.min(most, groups.length);
    return Array.from({ length: wanted }, (_, index) => groups[Math.floor((index * groups.length) / wanted)]);
  }

  function distinctPrompts(groups) {
    const first = new Map();
    for (const group of groups) if (!first.has(heading(group[0]))) first.set(heading(group[0]), group);
    return [...first.values()];
  }

  function tile(sample, group) {
    const made = button("", `tile ${value(sample, "status")} m${colourOf(value(sample, "model"))}`, () => openDetail(group, sample));
    made.dataset.sample = sample;
    const picture = videoBox(sample);
    const model = models.length > 1 ? `${value(sample, "model")}: ` : "";
    made.setAttribute("aria-label", `${model}${heading(sample)}`);
    made.append(picture);
    watch.observe(picture);
    return made;
  }

  function column(group) {
    const made = element("div", "strip-column");
    for (const model of shownModels) {
      const sample = group.find((one) => value(one, "model") === model);
      made.append(sample === undefined ? element("div", "tile empty") : tile(sample, group));
    }
    const caption = element("p", "strip-prompt", heading(group[0]));
    caption.title = heading(group[0]);
    made.append(caption);
    return made;
  }

  // The frame and the names of the models are in the page's HTML, so that nothing moves when the videos come.
  function fill() {
    if (!place) return;
    const shown = place.querySelector(".strip-columns");
    shown.append(...columnsOfStrip().map(column));
    shown.after(clock.bar);
  }

  return { fill, start: clock.start, key: clock.key, pause: () => clock.play(false) };
})();
