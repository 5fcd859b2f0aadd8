"use strict";
// The page of operators: one tile for each place, kept up to date in place, so that it stays as large after ten
// thousand units as after one.
let station = null;
let places = new Map();
let tiles = new Map();
let chosen = null;
let ahead_ms = 0;    // by how much the station's clock is ahead of this one's

const SHAPES = {    // another shape for each verdict, for who does not see the colours
  pass: [["circle", { cx: 50, cy: 50, r: 46 }], ["path", { d: "M28 52 44 68 74 34", class: "mark" }]],
  fail: [["rect", { x: 6, y: 6, width: 88, height: 88 }], ["path", { d: "M30 30 70 70M70 30 30 70", class: "mark" }]],
  error: [["path", { d: "M50 4 98 94H2Z" }], ["path", { d: "M50 36V64M50 76V82", class: "mark" }]],
  waits: [["path", { d: "M50 2 98 50 50 98 2 50Z" }], ["path", { d: "M50 28V52L64 62", class: "mark" }]],
  incomplete: [["path", { d: "M28 6H72L94 50 72 94H28L6 50Z" }], ["path", { d: "M28 50H72", class: "mark" }]],
  locked: [["path", { d: "M50 4 98 94H2Z" }], ["path", { d: "M50 36V64M50 76V82", class: "mark" }]],
};

function shape(name) {
  const made = svg("svg", { viewBox: "0 0 100 100", class: "shape", "aria-hidden": "true" });
  for (const [kind, attributes] of SHAPES[name] || []) made.append(svg(kind, attributes));
  return made;
}

function button(key, act, className) {
  const made = element("button", say(key), className);
  made.type = "button";
  made.addEventListener("click", () => { act(); at("scan").focus(); });
  return made;
}

// -- one tile

function tile(place) {
  const made = element("section", undefined, "place");
  made.tabIndex = -1;
  made.addEventListener("click", () => choose(place.number));
  at("places").append(made);
  return made;
}

function bigWord(place) {
  const name = place.state === "locked" ? "locked" : place.verdict;
  const line = element("div", undefined, "big");
  const word = say(`word.${name}`);
  line.append(shape(name), element("strong", word));
  line.style.setProperty("--letters", word.length);    // so that any language's word is as large as its tile allows
  return line;
}

function failing(place) {
  const first = place.first_fail;
  if (!first) return [];
  const name = first.name || first.test;
  const parts = [element("b", name.replaceAll("_", " "))];
  if (first.name) {
    const limits = element("span", undefined, "limits");
    limits.append(first.low === null ? "" : `${number(first.low)} < `, element("em", `${number(first.value)} ${first.unit}`),
      first.high === null ? "" : ` < ${number(first.high)}`);
    parts.push(limits);
  } else {
    parts.push(element("span", first.sentence));
  }
  const line = element("p", undefined, "failing");
  line.append(...parts);
  return [line];
}

function running(place) {
  const box = element("div", undefined, "stage");
  const count = place.stages.length;
  box.append(element("b", place.stage ? say(`stage.${place.stage}`, null, place.stage) : say("loading")));
  const left = element("span", undefined, "left");
  left.dataset.ends = place.ends;
  box.append(left);
  const bar = element("progress");
  bar.max = count || 1;
  bar.value = place.stage_number;
  bar.setAttribute("aria-label", say("stage of", { number: place.stage_number, count }));
  const parts = [box, bar];
  if (place.failed_stages.length) {
    parts.push(element("p", say("failed so far", { stages: place.failed_stages.map((name) => say(`stage.${name}`, null, name)).join(", ") }), "failing"));
  }
  return parts;
}

function asking(place) {
  const prompt = place.prompt;
  const parts = [];
  if (prompt.picture) {
    const picture = element("img");
    picture.src = `/pictures/${encodeURIComponent(prompt.id)}`;
    picture.alt = "";
    parts.push(picture);
  }
  parts.push(element("p", prompt.text[document.documentElement.lang] || prompt.text.en || Object.values(prompt.text)[0], "asks"));
  const row = element("div", undefined, "row");
  row.append(button("done", () => post("answer", { place: place.number, yes: true }), "good"),
    button("no", () => post("answer", { place: place.number, yes: false })));
  parts.push(row);
  return parts;
}

function measured(place) {
  if (!place.measurements.length) return [];
  const made = element("details");
  made.append(element("summary", say("measurements", { count: place.measurements.length })));
  made.open = tiles.get(place.number)?.dataset.open === "yes";
  made.addEventListener("toggle", () => { tiles.get(place.number).dataset.open = made.open ? "yes" : ""; });
  const table = element("table");
  for (const one of place.measurements) {
    const row = element("tr", undefined, one.verdict);
    row.append(element("th", one.name), element("td", `${number(one.value)} ${one.unit}`),
      element("td", `${number(one.low)} … ${number(one.high)}`));
    table.append(row);
  }
  made.append(table);
  return [made];
}

function show(place) {
  places.set(place.number, place);
  if (!tiles.has(place.number)) tiles.set(place.number, tile(place));
  const made = tiles.get(place.number);
  const showsVerdict = ["verdict", "sealing", "locked"].includes(place.state) && place.verdict;
  made.className = `place ${place.state} ${place.locks.length ? "is-closed" : ""} ${showsVerdict ? `is-${place.state === "locked" ? "locked" : place.verdict}` : ""}`;
  made.classList.toggle("chosen", place.number === chosen);
  made.setAttribute("aria-label", say("place", { number: place.number }));
  const head = element("div", undefined, "head");
  head.append(element("span", place.number, "number"), element("span", place.unit, "unit"));
  if (place.kind) head.append(element("span", say(`kind.${place.kind}`), "tag"));
  if (place.attempt > 1) head.append(element("span", say("attempt", { number: place.attempt }), "tag"));
  const parts = [head];
  if (showsVerdict || place.state === "locked") parts.push(bigWord(place), ...failing(place));
  if (place.state === "running") parts.push(...running(place));
  if (place.state === "prompt" && place.prompt) parts.push(...asking(place));
  if (["ready", "off", "starting"].includes(place.state)) parts.push(element("p", say(`state.${place.state}`), "state"));
  if (place.locks.length && place.state !== "locked") {
    const box = element("div", undefined, "lock");
    box.append(shape("locked"), element("b", say("place locked")));
    for (const one of place.locks) box.append(element("p", say(`lock.${one.code}`, one.data, `${one.says}; ${one.do}`)));
    parts.push(box);
  }
  if (place.lid) parts.push(element("p", place.lid, "message"));
  if (place.message && !(place.first_fail && !place.first_fail.name && place.state === "verdict")) parts.push(element("p", place.message, "message"));
  if (place.next) parts.push(element("p", say(`next.${place.next}`, place), "next"));
  if (place.state === "put" && station && station.start === "page") {
    const row = element("div", undefined, "row");
    row.append(button("start", () => post("start", { place: place.number }), "good"), button("cancel", () => post("cancel", { place: place.number })));
    parts.push(row);
  }
  if (place.state === "put" && station && station.start === "lid") parts.push(button("cancel", () => post("cancel", { place: place.number })));
  if (place.state === "locked") {
    parts.push(button("unlock", () => askUnlock(place.number)));
  }
  if (place.state === "off") parts.push(button("begin", () => post("begin", { place: place.number })));
  if (showsVerdict) parts.push(...measured(place));
  made.replaceChildren(...parts);
}

function choose(number) {
  if (!places.has(number)) return;
  chosen = chosen === number ? null : number;
  for (const [other, made] of tiles) made.classList.toggle("chosen", other === chosen);
}

// -- the line above the tiles

function showStation(told) {
  station = told;
  if (told.now) ahead_ms = told.now * 1000 - Date.now();
  at("name").textContent = told.name;
  document.title = told.name;
  at("order").textContent = told.work_order || "–";
  at("person").textContent = told.person ? `${told.person.name} (${say(`role.${told.person.role}`)})` : "–";
  at("done").textContent = told.done;
  at("simulated").hidden = !told.simulated;
  at("simulated").textContent = say("simulated");
  const waits = [];
  if (told.waiting.length) waits.push(element("b", say("keep apart")), element("p", told.waiting.map((one) => one.unit).join("  ")));
  if (told.stored.length) {
    const list = element("p");
    for (const one of told.stored) list.append(element("span", `${one.unit} ${say(`word.${one.verdict}`)}`, `tag is-${one.verdict}`), " ");
    waits.push(element("b", say("now stored")), list);
  }
  notice("waiting", waits);
}

function notice(id, parts) {
  at(id).hidden = !parts.length;
  at(id).replaceChildren(...parts);
}

// What a policy leaves to people: they read it, choose why, and it is stored with their name.
function askWhy(refusal, text) {
  const parts = [element("b", refused(refusal))];
  const row = element("div", undefined, "row");
  if (refusal.allowed) {
    const reasons = refusal.reasons.length ? refusal.reasons : REMEDIES;
    for (const reason of reasons) {
      row.append(button(`reason.${reason}`, () => {
        notice("retest", []);
        post("allow", { text, place: refusal.place, reason, codes: refusal.codes, reseated: Boolean(refusal.reseat) });
      }));
      row.lastChild.textContent = say(`reason.${reason}`, null, say(`remedy.${reason}`, null, reason));
    }
    if (refusal.reseat) parts.push(element("p", say("reseat first", refusal)));
  } else {
    parts.push(element("p", say("needs badge", { role: say(`role.${refusal.may}`) })));
  }
  row.append(button("cancel", () => notice("retest", [])));
  notice("retest", [...parts, row]);
}

function refused(said) {
  return say(`refused.${said.code}`, said, said.text || say("refused.odd"));
}

const REMEDIES = ["contacts cleaned", "cable changed", "instrument restarted", "nothing found"];

function askUnlock(place) {
  const row = element("div", undefined, "row");
  for (const reason of REMEDIES) row.append(button(`remedy.${reason}`, () => { notice("retest", []); post("unlock", { place, reason }); }));
  row.append(button("cancel", () => notice("retest", [])));
  notice("retest", [element("b", say("unlock why", { place })), row]);
}

function answered(said, isRefused, text) {
  at("said").className = isRefused ? "bad" : "good";
  at("said").textContent = isRefused ? refused(said) : say(`said.${said.code}`, said);
  if (!isRefused && said.code === "chosen") { chosen = null; choose(said.place); } else if (!isRefused && chosen !== null) choose(chosen);
  if (isRefused && said.may) askWhy(said, text);
  else if (!isRefused) notice("retest", []);
}

// In the order in which they were scanned: a badge counts for the unit after it.
let before = Promise.resolve();

function post(what, asked) {
  before = before.then(() => send(what, asked));
}

async function send(what, asked) {
  try {
    const answer = await fetch(`/api/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
    const said = await answer.json();
    answered(answer.ok ? said : { code: said.code || "odd", text: said.text || say("refused.odd"), ...said }, !answer.ok, asked.text);
  } catch {
    answered({ code: "gone" }, true);
  }
}

at("form").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const text = at("scan").value;
  at("scan").value = "";
  const place = chosen === null ? null : places.get(chosen);
  if (!text.trim() && place && place.state === "prompt") post("answer", { place: chosen, yes: true });
  else post("scan", { text, place: chosen });
});

// A scanner types wherever the focus is: what it types belongs into the field.
document.addEventListener("keydown", (pressed) => {
  const key = /^F(\d{1,2})$/.exec(pressed.key);
  if (key && places.has(Number(key[1])) && key[1] !== "5" || key && pressed.shiftKey && places.has(Number(key[1]))) {
    pressed.preventDefault();
    choose(Number(key[1]));
    at("scan").focus();
  } else if (pressed.key === "Escape") {
    notice("retest", []);
    chosen = null;
    for (const made of tiles.values()) made.classList.remove("chosen");
    at("scan").value = "";
    at("scan").focus();
  } else if (pressed.key.length === 1 && pressed.key !== " " && !pressed.ctrlKey && !pressed.metaKey && !pressed.altKey && document.activeElement.id !== "language") {
    at("scan").focus();
  }
}, true);
document.addEventListener("pointerup", () => setTimeout(() => { if (document.activeElement.id !== "language") at("scan").focus(); }, 0));
at("language").addEventListener("change", () => at("scan").focus());
addEventListener("focus", () => at("scan").focus());

setInterval(() => {
  const now = (Date.now() + ahead_ms) / 1000;
  for (const left of document.querySelectorAll(".left")) {
    const ends = Number(left.dataset.ends);
    left.textContent = ends ? `${Math.max(0, Math.ceil(ends - now))} s` : "";
  }
}, 250);

// -- what the station tells

function linked(key, className) {
  at("link").dataset.key = key;
  at("link").textContent = say(`link.${key}`);
  at("link").className = className;
  document.body.classList.toggle("gone", key !== "live");
}

function listen() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", () => linked("live", "live"));
  events.addEventListener("error", () => {
    linked("gone", "bad");
    if (events.readyState === EventSource.CLOSED) { events.close(); setTimeout(listen, 1000); }
  });
  events.addEventListener("message", (message) => {
    const told = JSON.parse(message.data);
    if (told.station) showStation(told.station);
    if (told.places) {
      tiles.clear();
      places.clear();
      at("places").replaceChildren();
      at("places").dataset.count = told.places.length;
      at("places").classList.toggle("dense", told.places.length > 8);
      told.places.forEach(show);
    }
    if (told.place) show(told.place);
  });
}

function again() {
  if (station) showStation(station);
  for (const place of places.values()) show(place);
  linked(at("link").dataset.key || "connecting", at("link").className);
}

chooseTheme();
chooseLanguage(again).then(listen);
at("scan").focus();
