"use strict";
// The strip at the top of the page: a few prompts as columns, the models as rows, all on one clock.

const STRIP_COLUMNS = 12;

const strip = (() => {
  const place = document.getElementById("strip");
  const choice = document.getElementById("strip-choice");
  const clock = makeClock();
  const watch = watchPlayers(clock.add, clock.remove);
  const shownModels = models.slice(0, window.REPORT.strip_rows);

  // Groups at equal distances; those with a video of every model first.
  function evenColumns(groups) {
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

  // The number that ranks a group: the mean score of its models, or how far apart they are; null without scores.
  function rank(group) {
    const name = chosenScore();
    const valid = group.filter((sample) => value(sample, "status") === "ok" && shownModels.includes(value(sample, "model")));
    const found = valid.map((sample) => value(sample, name)).filter((one) => one !== null);
    if (state.strip.startsWith("spread:")) return found.length > 1 ? Math.max(...found) - Math.min(...found) : null;
    return found.length ? found.reduce((sum, one) => sum + one, 0) / found.length : null;
  }

  // The score of the address; null where the page does not offer this choice.
  function chosenScore() {
    const offered = [...choice.querySelectorAll("option")].some((one) => one.value === state.strip);
    return offered && state.strip ? state.strip.replace(/^spread:|:(asc|desc)$/g, "") : null;
  }

  // The groups of the strip, each with the number that ranks it.
  function columnsOfStrip() {
    const groups = [...allGroups.values()].filter((group) => group.some((sample) => value(sample, "video")));
    if (!chosenScore()) return evenColumns(groups).map((group) => [group, null]);
    const ranks = new Map(groups.map((group) => [group, rank(group)]));
    const sign = state.strip.endsWith(":asc") ? 1 : -1;
    const ordered = groups.filter((group) => ranks.get(group) !== null).sort((left, right) => sign * (ranks.get(left) - ranks.get(right)));
    return distinctPrompts(ordered).slice(0, STRIP_COLUMNS).map((group) => [group, ranks.get(group)]);
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

  function column([group, ranked]) {
    const made = element("div", "strip-column");
    for (const model of shownModels) {
      const sample = group.find((one) => value(one, "model") === model);
      made.append(sample === undefined ? element("div", "tile empty") : tile(sample, group));
    }
    const caption = element("p", "strip-prompt");
    if (ranked !== null) caption.append(element("b", "", number(ranked)), " ");
    caption.append(heading(group[0]));
    caption.title = heading(group[0]);
    made.append(caption);
    return made;
  }

  function fillChoice() {
    const select = choice.querySelector("select");
    choice.hidden = scores.length === 0 || allGroups.size < 2;
    option(select, "evenly chosen", "");
    for (const { name, better } of scores) {
      const [low, high] = { higher: ["worst", "best"], lower: ["best", "worst"] }[better] ?? ["lowest", "highest"];
      const mean = models.length > 1 ? " mean" : "";
      if (models.length > 1) option(select, `${name}: largest difference`, `spread:${name}`);
      option(select, `${name}: ${high}${mean}`, `${name}:desc`);
      option(select, `${name}: ${low}${mean}`, `${name}:asc`);
    }
    select.addEventListener("change", () => setState({ strip: select.value }));
  }

  // The frame and the names of the models are in the page's HTML, so that nothing moves when the videos come.
  function fill() {
    if (!place) return;
    fillChoice();
    choice.before(clock.bar);
    onState((changed) => changed.has("strip") && show());
  }

  function show() {
    const shown = place.querySelector(".strip-columns");
    watch.disconnect();
    for (const player of shown.querySelectorAll(".player[src]")) clock.remove(player);
    shown.replaceChildren(...columnsOfStrip().map(column));
    shown.scrollLeft = 0;
    choice.querySelector("select").value = chosenScore() ? state.strip : "";
  }

  return { fill, start: clock.start, key: clock.key, pause: () => clock.play(false) };
})();
