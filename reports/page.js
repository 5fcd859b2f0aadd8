"use strict";
const statements = new Map([...document.querySelectorAll("#requirement-list tr[id]")]
  .map((row) => ["#" + row.id, row.textContent.toLowerCase()]));

// A list can be searched: what its rows say in words, and what the statements say that they name; by verdict, by file.
function searchable(list, box, rows, groups, verdictOf, fileOf) {
  if (!list || !box) return;
  const search = box.querySelector("input"), file = box.querySelector("select"), shown = box.querySelector(".shown");
  const chips = [...box.querySelectorAll(".chip")];
  const texts = new Map([...list.querySelectorAll(rows)].map((row) => [row, [row.textContent.toLowerCase(), fileOf(row),
    ...[...row.querySelectorAll(".ids a")].map((one) => statements.get(one.getAttribute("href")) || "")].join(" ")]));
  const folded = new Map([...list.querySelectorAll(groups)].map((group) => [group, group.open]));
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(chips.filter((chip) => chip.getAttribute("aria-pressed") === "true")
      .map((chip) => chip.dataset.verdict));
    const active = words.length > 0 || wanted.size > 0 || (file && file.value !== "");
    let count = 0;
    for (const [row, text] of texts) {
      row.hidden = !((wanted.size === 0 || wanted.has(verdictOf(row))) && (!file || !file.value || fileOf(row) === file.value)
        && words.every((word) => text.includes(word)));
      count += row.hidden ? 0 : 1;
    }
    for (const [group, wasOpen] of folded) {
      group.hidden = !group.querySelector(rows + ":not([hidden])");
      group.open = active ? !group.hidden : wasOpen;
    }
    shown.textContent = active ? count + " shown" : "";
  }
  box.hidden = false;
  search.addEventListener("input", filter);
  if (file) file.addEventListener("change", filter);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") === "true" ? "false" : "true");
      filter();
    });
  }
}

const by = (id) => document.getElementById(id);
searchable(by("requirement-list"), by("requirement-filter"), "tbody tr", "details.area", (row) => row.dataset.verdict,
  () => "");
searchable(by("test-list"), by("test-filter"), ".test", "details.suite", (row) => row.classList[1],
  (row) => row.dataset.file || row.closest(".suite").dataset.file);

// What a link leads to is not left folded.
function unfold() {
  const target = location.hash.length > 1 && by(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
if (location.hash) unfold();

// Two pages are printed, unless everything is asked for. A unit of the line has a sheet of its own.
const whole = by("print-all");
whole.hidden = document.body.matches(".line");
whole.addEventListener("click", () => { document.body.classList.add("whole"); window.print(); });
window.addEventListener("afterprint", () => document.body.classList.remove("whole"));
window.addEventListener("beforeprint", () => {
  if (!document.body.matches(".whole, .line")) return;
  for (const part of document.querySelectorAll("details:not(.steps)")) part.open = true;
});
