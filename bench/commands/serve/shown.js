"use strict";
// What both pages show. Whatever a device or a file says gets onto a page as text only, never as markup.
const at = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(place, children, otherwise) {
  place.replaceChildren(...(children.length ? children : otherwise ? [element("p", otherwise, "muted")] : []));
}

function row(cells) {
  const made = element("tr");
  cells.forEach((cell, column) => made.append(element(column ? "td" : "th", cell)));
  return made;
}

// The findings and readouts of a telegram.
function contents(one) {
  const parts = (one.findings || []).map((found) =>
    element("p", `${found.severity}: ${found.text}${found.clause ? ` (${found.clause})` : ""}`, found.severity));
  for (const readout of one.readouts || []) {
    const table = element("table");
    for (const [name, value] of Object.entries(readout)) {
      const shown = Array.isArray(value) ? value.filter(Boolean).map((part) => `${part.value} ${part.unit}`).join(", ")
        : value && value.unit !== undefined ? `${value.value} ${value.unit}` : value;
      if (shown) table.append(row([name.replaceAll("_", " "), shown]));
    }
    parts.push(table);
  }
  return parts;
}
