"use strict";
// The overview as a view: most of it is in the page's HTML.

const overview = {
  place: document.getElementById("overview"),
  shown: false,
  show() {
    breakdown.show();
    if (!this.shown) strip.start();
    this.shown = true;
  },
  hide() {
    strip.pause();
    this.shown = false;
  },
  more() {},
  key: strip.key,
};
