"use strict";
// The order of the samples: NAME:asc, NAME:desc or spread:NAME, the disagreement of the models.

const sortSelect = document.getElementById("sort");

// Samples without a value come last in both directions.
function by(key, sign) {
  const keys = new Map();
  const keyOf = (sample) => {
    if (!keys.has(sample)) keys.set(sample, key(sample));
    return keys.get(sample);
  };
  return (left, right) => {
    const [a, b] = [keyOf(left), keyOf(right)];
    if (a === null || b === null) return (a === null) - (b === null) || left - right;
    return a === b ? left - right : sign * (a < b ? -1 : 1);
  };
}

// The largest difference between models on the row and seed of a sample; null with fewer than two values.
function disagreement(name) {
  return (sample) => {
    const found = allGroups.get(groupOf(sample)).map((other) => value(other, name)).filter((one) => one !== null);
    return found.length > 1 ? Math.max(...found) - Math.min(...found) : null;
  };
}

function sorted(samples) {
  if (state.sort.startsWith("spread:")) {
    const name = state.sort.slice("spread:".length);
    return columns[name] ? [...samples].sort(by(disagreement(name), -1)) : samples;
  }
  const [name, direction] = splitSort();
  if (!columns[name]) return samples;
  return [...samples].sort(by((sample) => value(sample, name), direction === "desc" ? -1 : 1));
}

function splitSort() {
  const at = state.sort.lastIndexOf(":");
  return [state.sort.slice(0, at), state.sort.slice(at + 1)];
}

function fillSort() {
  option(sortSelect, "as planned", "");
  for (const { name, better } of scores) {
    const [low, high] = { higher: ["worst", "best"], lower: ["best", "worst"] }[better] ?? ["lowest", "highest"];
    option(sortSelect, `${name}: ${high} first`, `${name}:desc`);
    option(sortSelect, `${name}: ${low} first`, `${name}:asc`);
    if (models.length > 1) option(sortSelect, `${name}: largest disagreement first`, `spread:${name}`);
  }
  option(sortSelect, "slowest first", "generate_s:desc");
  sortSelect.addEventListener("change", () => setState({ sort: sortSelect.value }));
}

// A column that the table sorts by may have no entry yet.
function showSort() {
  if (![...sortSelect.options].some((one) => one.value === state.sort)) option(sortSelect, state.sort);
  sortSelect.value = state.sort;
}
