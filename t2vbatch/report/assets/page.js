"use strict";
// The page as a whole: it shows the view, the samples and the dialog that the address asks for.

const views = { overview, gallery, sidebyside: sideBySide, vote, table, charts };
const sizeInput = document.getElementById("size");
const countOutput = document.getElementById("count");
let current = null;

function showView() {
  if (current !== views[state.view]) {
    current?.hide();
    current = views[state.view];
    for (const [name, view] of Object.entries(views)) {
      view.place.hidden = name !== state.view;
      const link = document.getElementById(`view-${name}`);
      if (name === state.view) {
        link?.setAttribute("aria-current", "page");
        link?.scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone the row of views scrolls
      } else link?.removeAttribute("aria-current");
    }
    document.body.dataset.view = state.view;
    document.body.classList.remove("filtering");
    scrollTo(0, 0);
  }
  const samples = sorted(matching());
  current.place.hidden = count === 0 && state.view !== "overview";
  current.show(samples);
  countOutput.textContent = samples.length === count ? many(count, "sample") : `${counted(samples.length)} of ${many(count, "sample")}`;
  const nothing = document.getElementById("nothing");
  nothing.textContent = count ? "No sample matches these filters." : "No sample is finished yet.";
  nothing.hidden = samples.length > 0 || state.view === "overview";
}

function showSize() {
  const standard = Math.max(0, ...new Set(columns.width.values)) > PIXELATED_UP_TO ? 280 : 180;
  sizeInput.value = state.size || standard;
  document.documentElement.style.setProperty("--card", `${sizeInput.value}px`);
}

const DRAWN_AGAIN = ["view", "filters", "q", "sort", "columns", "across", "up", "by", "score"];

onState((changed) => {
  showFilters();
  showChips();
  showSort();
  showSize();
  if (DRAWN_AGAIN.some((name) => changed.has(name))) showView();
  if (changed.has("sample")) showDetail();
  for (const link of document.querySelectorAll(".views a")) {
    link.href = linkTo({ ...state, view: link.id.slice("view-".length), sample: "" });
  }
});

function shortcuts(event) {
  if (detail.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && document.body.classList.contains("filtering")) return filterSheet.open(false);
  if (event.target.matches("input, select, textarea")) return;
  if (event.key === "/" && state.view !== "overview") {
    event.preventDefault();
    search.focus();
  } else if (!(event.key === " " && event.target.matches("button, a, summary"))) current.key?.(event);
}

// A link of the page changes the address without loading the page again.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href*="#view="]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", link.hash);
  readAddress();
  notify(["view", "filters", ...PLAIN]);
});
document.addEventListener("keydown", shortcuts);
sizeInput.addEventListener("input", () => setState({ size: sizeInput.value }));
document.getElementById("copy-link").replaceWith(
  Object.assign(copyButton(() => location.href, "copy link"), { id: "copy-link" }),
);
// What is pinned below the header needs its height, which depends on the width of the window.
const pinned = { "--top": document.querySelector(".top"), "--bar": document.querySelector(".bar") };
const measure = new ResizeObserver(() => {
  for (const [name, one] of Object.entries(pinned)) {
    document.documentElement.style.setProperty(name, `${one.getBoundingClientRect().height}px`);
  }
});
Object.values(pinned).forEach((one) => measure.observe(one));

new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && current.more(), {
  rootMargin: "600px",
}).observe(document.getElementById("more"));

readAddress();
fillSelects();
fillSort();
breakdown.fill();
charts.fill();
listFailures();
startLeaderboard();
strip.fill();
notify(["view", "filters", ...PLAIN]);
