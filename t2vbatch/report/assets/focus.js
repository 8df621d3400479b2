"use strict";
// A part of the page that is drawn again keeps the focus: the keyboard goes on where it was.

function nameOfControl(control) {
  return control.dataset.bin ?? control.closest("label")?.textContent ?? control.textContent;
}

// Draws a part again. The control with the same name gets the focus back; if it is gone, another one does.
function keepFocus(place, draw, other = () => null) {
  const focused = place.contains(document.activeElement) ? nameOfControl(document.activeElement) : null;
  draw();
  if (focused === null) return;
  const controls = [...place.querySelectorAll("button, input, summary")];
  (controls.find((control) => nameOfControl(control) === focused) ?? other())?.focus();
}
