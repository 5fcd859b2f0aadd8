"use strict";
const MOST_EVENTS = 300;
const PLAIN = ["what", "text", "endpoint", "client", "path", "name", "topic", "request"];
let chosen = null;
let waiting = null;

const valueRow = (one) => row([one.path, one.name || "", `${one.value} ${one.unit || ""}`.trim()]);

function client(one) {
  const item = element("li");
  const button = element("button", one.endpoint, "name");
  button.setAttribute("aria-pressed", one.endpoint === chosen);
  button.addEventListener("click", () => { chosen = one.endpoint; refresh(); });
  const facts = [`LwM2M ${one.version}`, `binding ${one.binding}`, `lifetime ${one.lifetime_s} s`,
    one.secure ? "DTLS" : "no DTLS", one.address, `updated ${one.updated.slice(11, 19)}`];
  if (one.queue_mode) facts.push("queue mode");
  item.append(button, element("div", facts.join(" · "), "muted"));
  const objects = element("div", undefined, "row");
  for (const object of one.objects.filter((object) => object.path !== "/")) {
    const link = element("button", object.path + (object.name ? ` ${object.name}` : ""), "object");
    link.addEventListener("click", () => { chosen = one.endpoint; at("path").value = object.path; refresh(); });
    objects.append(link);
  }
  item.append(objects);
  if (one.observed.length) item.append(element("div", `observed: ${one.observed.join(", ")}`, "muted"));
  return item;
}

function telegram(one) {
  const made = element("details");
  const head = element("summary");
  head.append(element("time", one.time.slice(11, 19)), ` ${one.number} `, element("b", one.client || "no client"),
    ` ${one.topic} `, element("span", one.text, "muted"));
  made.append(head);
  made.append(...contents(one));
  made.append(element("p", one.hex, "mono"));
  return made;
}

function happened(event) {
  const { time, event: kind, values, ...others } = event;
  const item = element("li");
  const words = Object.entries(others).filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => PLAIN.includes(name) ? String(value) : `${name} ${value}`);
  for (const one of values || []) words.push(`${one.path} = ${one.value} ${one.unit}`.trim());
  item.append(element("time", time.slice(11, 19)), " ", element("b", kind), ` ${words.join("  ")}`);
  at("events").prepend(item);
  while (at("events").childElementCount > MOST_EVENTS) at("events").lastElementChild.remove();
}

function package_(one) {
  const made = element("label", `${one.name} for ${one.endpoint}: ${one.fetched} of ${one.size} octets`, "long");
  const bar = element("progress");
  bar.max = one.size;
  bar.value = one.fetched;
  made.append(bar);
  return made;
}

async function refresh(withEvents) {
  const state = await (await fetch("api/state")).json();
  const names = state.clients.map((one) => one.endpoint);
  if (!names.includes(chosen)) chosen = names[0] || null;
  at("chosen").textContent = chosen || "nobody";
  fill(at("uris"), Object.entries(state.uris).flatMap(([name, uri]) =>
    [element("dt", name.replace("_", " ")), element("dd", uri, "mono")]));
  fill(at("bootstrap"), state.bootstrap.map(valueRow));
  fill(at("clients"), state.clients.map(client), "Nobody is registered.");
  fill(at("packages"), state.packages.map(package_));
  const open = [...document.querySelectorAll("#telegrams [open]")].map((one) => one.dataset.number);
  fill(at("telegrams"), state.telegrams.map((one) => {
    const made = telegram(one);
    made.dataset.number = one.number;
    made.open = open.includes(String(one.number));
    return made;
  }), "None has come.");
  if (at("kind").length === 1) for (const kind of state.types) at("kind").append(element("option", kind));
  if (withEvents) { at("events").replaceChildren(); state.events.forEach(happened); }
}

async function post(what, uri, type, body) {
  at("said").className = "";
  at("said").textContent = `${what} ...`;
  at("answer").replaceChildren();
  try {
    const answer = await fetch(uri, { method: "POST", headers: { "Content-Type": type }, body });
    const said = await answer.json();
    at("said").className = answer.ok ? "" : "error";
    at("said").textContent = answer.ok ? `${what}: ${typeof said === "string" ? said : "done"}`
      : said.text || JSON.stringify(said);
    if (answer.ok && Array.isArray(said)) fill(at("answer"), said.map(valueRow));
  } catch (error) {
    at("said").className = "error";
    at("said").textContent = `${what}: no answer of mcm-bench serve (${error.message})`;
  }
  refresh();
}

at("ask").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const command = submitted.submitter ? submitted.submitter.value : "read";
  const asked = { endpoint: chosen, path: at("path").value, value: at("value").value, kind: at("kind").value };
  post(`${command} ${asked.path}`, `api/${command}`, "application/json", JSON.stringify(asked));
});
at("firmware").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const file = at("file").files[0];
  const asked = new URLSearchParams({ name: file.name, ...(chosen === null ? {} : { endpoint: chosen }) });
  post(`firmware ${file.name}`, `api/firmware?${asked}`, "application/octet-stream", file);
});

const events = new EventSource("api/events");
function linked(text, className) {
  at("link").textContent = text;
  at("link").className = className;
}
events.addEventListener("open", () => { linked("live", "live"); refresh(true); });
events.addEventListener("error", () => linked("mcm-bench serve is gone", "error"));
events.addEventListener("message", (message) => {
  happened(JSON.parse(message.data));
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 200);
});
