"use strict";
// The heat map: mean scores of each model by the values of a column of the manifest.

const FEW_PROMPTS = 5; // a cell of fewer prompts is marked

const breakdown = (() => {
  const section = document.getElementById("breakdown");
  const place = document.getElementById("heatmap");
  const [columnSelect, scoreSelect] = [document.getElementById("breakdown-column"), document.getElementById("breakdown-score")];
  const names = Object.keys(breakdowns);

  function fill() {
    section.hidden = !names.length;
    if (!names.length) return;
    for (const name of names) option(columnSelect, name);
    for (const { name } of scores) option(scoreSelect, name);
    columnSelect.addEventListener("change", () => setState({ by: columnSelect.value }));
    scoreSelect.addEventListener("change", () => setState({ score: scoreSelect.value }));
  }

  function show() {
    if (!names.length) return;
    const name = names.includes(state.by) ? state.by : names[0];
    const score = scores.find((one) => one.name === state.score) ?? scores[0];
    [columnSelect.value, scoreSelect.value] = [name, score.name];
    const { groups, total, cells } = breakdowns[name];
    const shown = models.filter((model) => cells[score.name][model]);
    place.replaceChildren(table(name, score, groups, shown, cells[score.name]));
    const parts = ["Mean over ok videos; a stronger colour is a " + (score.better ? "better" : "higher") + " mean. A click shows the videos."];
    if (total > groups.length) parts.push(`The ${groups.length} most frequent of ${total} values.`);
    parts.push(`°: fewer than ${FEW_PROMPTS} prompts.`);
    document.getElementById("breakdown-note").textContent = parts.join(" ");
  }

  function table(name, score, groups, shown, cells) {
    const made = element("table", "board heatmap");
    const head = element("tr");
    head.append(cell("th", name, "col"));
    for (const model of shown) {
      const label = cell("th", null, "col");
      label.append(modelLabel(model));
      head.append(label);
    }
    const means = shown.flatMap((model) => cells[model]).filter(Boolean).map(([mean]) => mean);
    const [low, high] = ends(means);
    const body = groups.map((group, index) => {
      const row = element("tr");
      row.append(cell("th", group.label, "row"));
      for (const model of shown) row.append(heatCell(cells[model][index], [low, high], score, name, group, model));
      return row;
    });
    const [top, rest] = [element("thead"), element("tbody")];
    top.append(head);
    rest.append(...body);
    made.append(top, rest);
    return made;
  }

  function heatCell(found, [low, high], score, name, group, model) {
    const made = element("td");
    if (!found) {
      made.append(element("span", "soft", "–"));
      return made;
    }
    const [mean, videos, prompts] = found;
    const share = (mean - low) / (high - low);
    made.style.setProperty("--heat", (score.better === "lower" ? 1 - share : share).toFixed(3));
    const link = element("a", "", number(mean));
    link.href = linkTo({ ...state, view: "gallery", sample: "", filters: { model: { is: model }, [name]: groupFilter(group) } });
    link.title = `${videos} videos of ${prompts} prompt${prompts === 1 ? "" : "s"}`;
    if (prompts < FEW_PROMPTS) link.append(element("span", "few-mark", "°"));
    made.append(link);
    return made;
  }

  function groupFilter(group) {
    if (group.range) return { from: group.range[0], to: group.range[1] };
    return group.value === null ? { none: true } : { is: group.value };
  }

  return { fill, show };
})();

// Smallest and largest, never equal; a loop, because a call cannot take ten thousand arguments.
function ends(found) {
  let [low, high] = [Infinity, -Infinity];
  for (const one of found) [low, high] = [Math.min(low, one), Math.max(high, one)];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}
