"use strict";
// The leaderboard sorts by a click on a head; its rows and links are in the page's HTML.

function sortLeaderboard(table, index, head) {
  const numeric = head.dataset.sort === "number";
  const first = numeric && head.dataset.better !== "lower" ? "descending" : "ascending";
  const other = first === "descending" ? "ascending" : "descending";
  const direction = head.getAttribute("aria-sort") === first ? other : first;
  for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const sign = direction === "descending" ? -1 : 1;
  const rows = [...table.tBodies[0].rows].sort((left, right) => {
    const [a, b] = [left, right].map((row) => row.cells[index].dataset.value ?? "");
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b));
  });
  table.tBodies[0].append(...rows);
}

function startLeaderboard() {
  const table = document.getElementById("leaderboard");
  for (const [index, head] of [...table.tHead.rows[0].cells].entries()) {
    head.querySelector("button").addEventListener("click", () => sortLeaderboard(table, index, head));
  }
}
