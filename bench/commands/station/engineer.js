"use strict";
// What engineers look at: asked for anew every few seconds, and drawn anew.
const EVERY_MS = 10000;
let unit = "";
let figures = null;

const percent = (part, all) => all ? `${(100 * part / all).toFixed(1)} %` : "–";

function fact(key, value) {
  const made = element("div");
  made.append(element("span", say(key), "muted"), element("b", value));
  return made;
}

function table(id, heads, rows) {
  const head = element("tr");
  for (const key of heads) head.append(element("th", say(key)));
  at(`${id}-head`).replaceChildren(head);
  at(id).replaceChildren(...rows.map((cells) => {
    const row = element("tr");
    for (const cell of cells) row.append(Array.isArray(cell) ? element("td", cell[0], cell[1]) : element("td", cell));
    return row;
  }));
}

function draw() {
  if (!figures) return;
  const { today, pareto, takt, instruments, capability, history } = figures;
  at("today").replaceChildren(fact("first pass yield", percent(today.first_passed, today.units)),
    fact("final yield", percent(today.passed, today.units)), fact("units", today.units), fact("runs", today.runs),
    fact("bench faults", today.errors));
  const most = Math.max(1, ...pareto.map((one) => one.units));
  at("pareto").replaceChildren(...(pareto.length ? pareto.flatMap((one) => {
    const bar = element("div", undefined, "bar");
    bar.style.width = `${100 * one.units / most}%`;
    return [element("span", one.name.replaceAll("_", " ")), bar, element("b", one.units)];
  }) : [element("p", say("none failed"), "muted")]));
  table("takt", ["place.", "units", "takt", "physics"], takt.map((one) => [one.place, one.units, `${one.median_s.toFixed(1)} s`, `${one.physics_s.toFixed(0)} s`]));
  table("instruments", ["place.", "instrument", "identity", "serial", "firmware", "calibration due"], instruments.map((one) => [
    one.slot, one.name, one.identity, one.serial, one.firmware, [one.calibration_due ? `${one.calibration_due} ${say(`calibration.${one.state}`)}` : say("calibration.unknown"), one.state]]));
  table("history", ["started", "verdict", "attempt.", "place.", "person", "work order", "reason", "first failure", "run"], history.map((one) => [
    one.started_at.slice(0, 19).replace("T", " "), [say(`word.${one.verdict}`), one.verdict], one.attempt, one.slot, one.operator,
    one.work_order, one.retest_reason, one.first_fail || one.message, one.run_id]));
  drawCapability(capability);
  const list = at("measurement");
  if ([...list.options].map((one) => one.value).join() !== ["", ...figures.measurements].join()) {
    const before = list.value;
    list.replaceChildren(...["", ...figures.measurements].map((name) => {
      const option = element("option", name || say("choose"));
      option.value = name;
      return option;
    }));
    list.value = before;
  }
}

function drawCapability(found) {
  at("capability").replaceChildren();
  at("chart").replaceChildren();
  at("chart").setAttribute("aria-label", found ? found.name : say("capability"));
  at("chart").toggleAttribute("hidden", !found || !found.values.length);
  if (!found) return;
  at("capability").append(fact("cpk", found.cpk === null ? found.reason || "–" : `${found.cpk.toFixed(2)} (${found.interval.map((one) => one.toFixed(2)).join(" … ")})`), fact("mean", `${number(found.mean)} ${found.unit}`),
    fact("low", number(found.low)), fact("high", number(found.high)), fact("values", found.n));
  const seen = [...found.values, found.low, found.high].filter((value) => value !== null);
  const low = Math.min(...seen), high = Math.max(...seen), span = high - low || 1;
  const y = (value) => 205 - 190 * (value - low) / span;
  const x = (index) => 10 + 980 * index / Math.max(1, found.values.length - 1);
  for (const limit of [found.low, found.high]) {
    if (limit !== null) at("chart").append(svg("line", { x1: 0, x2: 1000, y1: y(limit), y2: y(limit), class: "limit" }));
  }
  at("chart").append(svg("polyline", { points: found.values.map((value, index) => `${x(index)},${y(value)}`).join(" "), class: "values" }));
  found.values.forEach((value, index) => at("chart").append(svg("circle", { cx: x(index), cy: y(value), r: 2.5 })));
}

// A place is started and ended alone; that takes a lead.
function drawPlaces(places) {
  at("places-now").replaceChildren(...places.map((place) => {
    const box = element("div", undefined, "fact");
    box.append(element("b", place.name), element("span", say(`state.${place.state}`)));
    const does = place.state === "off" ? "begin" : "end";
    const made = element("button", say(does));
    made.addEventListener("click", () => command(does, place.number));
    box.append(made);
    return box;
  }));
}

async function command(what, place) {
  const answer = await fetch(`/api/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ place }) });
  const said = await answer.json();
  at("did").className = answer.ok ? "good" : "bad";
  at("did").textContent = answer.ok ? say(`said.${said.code}`, said) : say(`refused.${said.code}`, said, said.text);
  refresh();
}

async function refresh() {
  const asked = new URLSearchParams({ measurement: at("measurement").value, unit });
  let said = null;
  try {
    const answer = await fetch(`/api/figures?${asked}`);
    said = await answer.json();
    if (answer.ok) figures = said;
    drawPlaces((await (await fetch("/api/state")).json()).places);
    at("link").className = answer.ok ? "live" : "bad";
    at("link").textContent = answer.ok ? say("link.live") : said.text;
  } catch {
    at("link").className = "bad";
    at("link").textContent = say("link.gone");
  }
  draw();
}

at("measurement").addEventListener("change", refresh);
at("search").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  unit = at("unit").value;
  refresh();
});
chooseTheme();
chooseLanguage(draw).then(refresh);
setInterval(refresh, EVERY_MS);
