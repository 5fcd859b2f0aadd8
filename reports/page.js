"use strict";
const list = document.getElementById("requirement-list");
const search = document.getElementById("search");
const shown = document.getElementById("shown");
const chips = [...document.querySelectorAll(".chip")];

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = new Set(chips.filter((chip) => chip.getAttribute("aria-pressed") === "true")
    .map((chip) => chip.dataset.verdict));
  const active = words.length > 0 || wanted.size > 0;
  let count = 0;
  for (const area of list.querySelectorAll("details")) {
    let left = 0;
    for (const row of area.querySelectorAll("tbody tr")) {
      const text = row.textContent.toLowerCase();
      const fits = (wanted.size === 0 || wanted.has(row.dataset.verdict)) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      left += fits ? 1 : 0;
    }
    area.hidden = left === 0;
    if (active) area.open = left > 0;
    count += left;
  }
  shown.textContent = active ? count + " shown" : "";
}

if (list) {
  document.getElementById("filter").hidden = false;
  search.addEventListener("input", filter);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") === "true" ? "false" : "true");
      filter();
    });
  }
}
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not(.steps)")) part.open = true;
});
