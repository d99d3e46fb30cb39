// Zooms and moves the picture of the DAG: with buttons, keys, Ctrl and the wheel, and by dragging it.
"use strict";
(() => {
  const frame = document.querySelector("#dag .scrolled");
  const picture = frame && frame.querySelector(".dag");
  if (!picture) return;
  const tools = document.getElementById("zoom"), percent = document.getElementById("percent");
  const width = Number(picture.getAttribute("width")), height = Number(picture.getAttribute("height"));
  const LEAST = 0.1, MOST = 4, STEP = 1.25, MOVED = 4;
  let scale = 1, drag = null, hasMoved = false;

  // The point of the picture at (x, y) of the window stays where it is.
  function zoom(wanted, x, y) {
    const box = frame.getBoundingClientRect(), before = picture.getBoundingClientRect();
    if (x === undefined) [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const factor = Math.min(Math.max(wanted, LEAST), MOST) / scale;
    scale *= factor;
    picture.setAttribute("width", width * scale);
    picture.setAttribute("height", height * scale);
    const after = picture.getBoundingClientRect();
    frame.scrollLeft += after.left + (x - before.left) * factor - x;
    frame.scrollTop += after.top + (y - before.top) * factor - y;
    percent.textContent = `${Math.round(scale * 100)} %`;
  }

  // The whole picture, but not larger than it is.
  function fit() {
    zoom(Math.min(1, (frame.clientWidth - 24) / width, (parseFloat(getComputedStyle(frame).maxHeight) - 24) / height));
  }

  const actions = { in: () => zoom(scale * STEP), out: () => zoom(scale / STEP), fit, actual: () => zoom(1) };
  const keys = { "+": "in", "=": "in", "-": "out", "0": "fit", "1": "actual" };
  tools.hidden = false;
  tools.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) actions[button.dataset.zoom]();
  });
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    actions[keys[event.key]]();
  });
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(scale * Math.exp(Math.min(Math.max(-event.deltaY, -100), 100) * 0.003), event.clientX, event.clientY);
  }, { passive: false });
  frame.addEventListener("dragstart", (event) => event.preventDefault());
  frame.addEventListener("pointerdown", (event) => {
    hasMoved = false;
    if (event.button === 0 && event.pointerType === "mouse") {
      drag = { x: event.clientX, y: event.clientY, left: frame.scrollLeft, top: frame.scrollTop };
    }
  });
  frame.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const x = event.clientX - drag.x, y = event.clientY - drag.y;
    if (!hasMoved && Math.hypot(x, y) < MOVED) return;
    if (!hasMoved) frame.setPointerCapture(event.pointerId);
    hasMoved = true;
    frame.scrollLeft = drag.left - x;
    frame.scrollTop = drag.top - y;
  });
  for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, () => { drag = null; });
  // After dragging, the Task below the pointer is not opened.
  frame.addEventListener("click", (event) => { if (hasMoved) event.preventDefault(); hasMoved = false; }, true);
})();
