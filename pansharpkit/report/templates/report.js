"use strict";
// Without this script the page shows its pictures side by side; with it they lie on each other.
const page = document.documentElement;
page.classList.add("live");

const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

function swipe(view) {
  const figures = [...view.querySelectorAll("figure")];
  const after = figures.find((figure) => figure.dataset.layer === "fused");
  const others = figures.filter((figure) => figure !== after);
  if (!after || !others.length) return null;
  const title = view.getAttribute("aria-label");
  const range = make("input", {type: "range", min: 0, max: 100, step: 1, className: "divider"});
  let before = others[0];
  const name = (figure) => figure.querySelector("figcaption").textContent;
  const set = (share) => {
    range.value = share;
    view.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${name(before)}, then ${name(after)}`);
  };
  const choose = (layer) => {
    before = others.find((figure) => figure.dataset.layer === layer) ?? before;
    others.forEach((figure) => figure.classList.toggle("off", figure !== before));
    range.setAttribute("aria-label", `${title}: divider between ${name(before)} and ${name(after)}`);
    set(range.value);
  };
  const follow = (event) => {
    const box = view.getBoundingClientRect();
    set(Math.round(100 * (event.clientX - box.left) / box.width));
  };
  view.classList.add("swipe");
  view.removeAttribute("tabindex");
  after.classList.add("after");
  view.after(range);
  range.addEventListener("input", () => set(range.value));
  view.addEventListener("dragstart", (event) => event.preventDefault());
  view.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    view.setPointerCapture(event.pointerId);
    follow(event);
  });
  view.addEventListener("pointermove", (event) => {
    if (view.hasPointerCapture(event.pointerId)) follow(event);
  });
  range.value = 50;
  choose(others[0].dataset.layer);
  return {choose, others, name};
}

const swipes = [...document.querySelectorAll(".pictures")].map(swipe).filter(Boolean);

for (const box of document.querySelectorAll(".picker")) {
  const layers = new Map();
  for (const {others, name} of swipes) {
    for (const figure of others) layers.set(figure.dataset.layer, name(figure));
  }
  if (layers.size < 2) continue;
  const choices = [...layers].map(([layer, label], i) => {
    const radio = make("input", {type: "radio", name: "before", value: layer, checked: i === 0});
    radio.addEventListener("change", () => swipes.forEach((found) => found.choose(layer)));
    return make("label", {}, radio, label);
  });
  box.append(make("fieldset", {}, make("legend", {textContent: "Left of the divider"}), ...choices));
}

const frames = document.querySelector(".pictures.framed");
if (frames) {
  for (const view of document.querySelectorAll("[data-frame]")) {
    const number = make("b", {textContent: view.dataset.number});
    const frame = make("span", {className: "frame"}, number);
    frame.style.cssText = view.dataset.frame;
    frame.setAttribute("aria-hidden", "true");
    frames.append(frame);
  }
}

for (const group of document.querySelectorAll(".tilemaps")) {
  const maps = [...group.querySelectorAll(".tilemap")];
  const numbers = (name) => group.dataset[name].split(" ").map(Number);
  const [bottoms, rights] = [numbers("bottoms"), numbers("rights")];
  const [rows, cols] = [bottoms.length, rights.length];
  const values = maps.map((map) => map.dataset.values.split(" "));
  const readout = group.querySelector("output");
  const clamp = (x, n) => Math.min(Math.max(x, 0), n - 1);
  let at = null;
  const show = (row, col) => {
    at = [clamp(row, rows), clamp(col, cols)];
    const [r, c] = at, tile = r * cols + c;
    const said = maps.map((map, i) => `${map.dataset.label} ${values[i][tile]}${map.dataset.unit}`);
    const top = r ? bottoms[r - 1] : 0, left = c ? rights[c - 1] : 0;
    readout.textContent =
      `Rows ${top} to ${bottoms[r] - 1}, columns ${left} to ${rights[c] - 1}: ${said.join(" · ")}`;
    for (const map of maps) {
      const mark = map.querySelector(".mark").style;
      mark.display = "block";
      [mark.top, mark.left] = [`${100 * r / rows}%`, `${100 * c / cols}%`];
      [mark.height, mark.width] = [`${100 / rows}%`, `${100 / cols}%`];
    }
  };
  const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
  for (const map of maps) {
    const field = map.querySelector(".field");
    field.tabIndex = 0;
    const point = (event) => {
      const box = field.getBoundingClientRect();
      show(Math.floor(rows * (event.clientY - box.top) / box.height),
           Math.floor(cols * (event.clientX - box.left) / box.width));
    };
    field.addEventListener("pointermove", point);
    field.addEventListener("pointerdown", point);
    field.addEventListener("focus", () => {
      if (!at && field.matches(":focus-visible")) show(0, 0);
    });
    field.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      at ? show(at[0] + step[0], at[1] + step[1]) : show(0, 0);
    });
  }
}
