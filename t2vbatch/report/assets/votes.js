"use strict";
// The votes of the user: kept in the browser, and saved as a file for `t2vbatch compare --votes`.

const votes = (() => {
  const key = `t2vbatch-votes:${location.pathname}`;
  let made = load();

  function load() {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? [];
    } catch {
      return []; // a browser may refuse storage to pages from disk
    }
  }

  function save() {
    try {
      localStorage.setItem(key, JSON.stringify(made));
    } catch {
      // The votes last until the page closes; the button saves them as a file.
    }
  }

  // reason: why nobody was asked; null for a vote of the user
  function add(left, right, choice, reason = null) {
    const winner = { left: value(left, "model"), right: value(right, "model"), tie: null }[choice];
    made.push({
      row_id: value(left, "row_id"),
      seed: String(value(left, "seed")),
      left: value(left, "model"),
      right: value(right, "model"),
      choice,
      winner,
      ...(reason === null ? {} : { reason }),
      voted_at: new Date().toISOString(),
    });
    save();
  }

  function undo() {
    while (made.pop()?.reason);
    save();
  }

  const pairKey = (row, seed, one, other) => JSON.stringify([row, seed, ...[one, other].sort()]);
  return {
    add,
    undo,
    count: () => made.filter((vote) => !vote.reason).length,
    done: () => new Set(made.map((vote) => pairKey(vote.row_id, vote.seed, vote.left, vote.right))),
    pairKey,
    text: () => made.map((vote) => JSON.stringify(vote) + "\n").join(""),
    clear: () => ((made = []), save()),
  };
})();

function saveFile(name, text, type) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
