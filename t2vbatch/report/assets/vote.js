"use strict";
// Blind voting: two videos of one prompt and seed, in random order, without the names of their models. A video that
// failed or is degenerate loses without a question, as for `t2vbatch judge`: its vote is added when its turn comes.

const vote = (() => {
  const place = document.getElementById("vote");
  const clock = makeClock();
  let pairs = []; // those without a vote, in random order
  let shown = []; // the samples that match the filters
  let watched = [];

  const failed = (sample) => value(sample, "status") !== "ok";
  const isAsked = (pair) => !pair.some(failed);

  function pairsOf(samples) {
    const done = votes.done();
    const found = [];
    for (const group of groupsOf(samples).values()) {
      const shown = group.filter((sample) => failed(sample) || hasVideo(sample));
      shown.forEach((left, index) => {
        for (const right of shown.slice(index + 1)) {
          const models = [left, right].map((sample) => value(sample, "model"));
          const key = votes.pairKey(value(left, "row_id"), String(value(left, "seed")), ...models);
          const isPair = models[0] !== models[1] && !(failed(left) && failed(right));
          if (isPair && !done.has(key)) found.push(Math.random() < 0.5 ? [left, right] : [right, left]);
        }
      });
    }
    return shuffled(found);
  }

  function shuffled(found) {
    for (let last = found.length - 1; last > 0; last -= 1) {
      const other = Math.floor(Math.random() * (last + 1));
      [found[last], found[other]] = [found[other], found[last]];
    }
    return found;
  }

  function draw() {
    stop();
    const parts = [status()];
    const asked = pairs.find(isAsked);
    if (asked) parts.push(...ballot(...asked));
    else if (shown.length) parts.push(element("p", "note", whyNoPair()));
    keepFocus(place, () => place.replaceChildren(...parts));
    if (asked) clock.start();
  }

  function whyNoPair() {
    if (!videosAreShared) return "This page was shared without its videos.";
    return votes.count() ? "Every pair of these videos has a vote." : "No prompt and seed has videos of two models here.";
  }

  function status() {
    const line = element("p", "vote-status");
    line.append(element("span", "", `${many(votes.count(), "vote")} · ${many(pairs.filter(isAsked).length, "pair")} left`));
    const save = button("save votes.jsonl", "quiet", () => saveFile("votes.jsonl", votes.text(), "application/jsonl"));
    const undo = button("undo (u)", "quiet", back);
    save.disabled = undo.disabled = votes.count() === 0;
    line.append(undo, save);
    return line;
  }

  function ballot(left, right) {
    const prompt = element("h2", "vote-prompt", heading(left));
    const row = element("div", "vote-row");
    for (const [sample, name, choice] of [[left, "1", "left"], [right, "2", "right"]]) {
      const side = element("div", "vote-side");
      const picture = videoBox(sample);
      const player = picture.querySelector(".player");
      player.removeAttribute("title");
      watched.push(player);
      clock.add(player);
      side.append(picture, button(`${name} is better`, "vote-button", () => choose(choice)));
      row.append(side);
    }
    const rest = element("div", "vote-rest");
    rest.append(button("tie (3)", "quiet", () => choose("tie")), button("skip (s)", "quiet", skip));
    const note = element("p", "note", "Keys: 1 or 2 for the better video, 3 for a tie, s to skip, u to undo, space to pause. ");
    note.append(element("code", "", "t2vbatch compare OUTPUT --votes votes.jsonl"), " reads the file.");
    return [prompt, row, clock.bar, rest, note];
  }

  function choose(choice) {
    const at = pairs.findIndex(isAsked);
    if (at < 0) return;
    pairs.splice(0, at).forEach(decide);
    votes.add(...pairs.shift(), choice);
    if (!pairs.some(isAsked)) pairs.splice(0).forEach(decide);
    draw();
  }

  function decide([left, right]) {
    const [bad, choice] = failed(left) ? [left, "right"] : [right, "left"];
    votes.add(left, right, choice, `${value(bad, "model")}: ${value(bad, "status")}`);
  }

  function skip() {
    const at = pairs.findIndex(isAsked);
    if (at < 0) return;
    pairs.push(...pairs.splice(at, 1));
    draw();
  }

  function back() {
    votes.undo();
    pairs = pairsOf(shown);
    draw();
  }

  function stop() {
    clock.play(false);
    for (const player of watched) clock.remove(player);
    watched = [];
  }

  function show(samples) {
    shown = samples;
    pairs = pairsOf(samples);
    draw();
  }

  function hide() {
    stop();
    place.replaceChildren();
  }

  const keys = { 1: () => choose("left"), 2: () => choose("right"), 3: () => choose("tie"), t: () => choose("tie"), s: skip, u: back };
  function key(event) {
    if (keys[event.key]) keys[event.key]();
    else clock.key(event);
  }

  return { place, show, hide, more: () => {}, key };
})();
