"use strict";
let asked = 0;

function shown(one, number, count) {
  const made = element("article");
  const parts = [count > 1 ? `${number} of ${count}` : "", one.where, one.encoding || ""].filter(Boolean);
  if (parts.length) made.append(element("h3", parts.join(" · ")));
  for (const text of [one.frame, one.message]) if (text) made.append(element("p", text));
  if (one.not_decodable) made.append(element("p", `Not decodable: ${one.not_decodable}`, "error"));
  made.append(...contents(one));
  return made;
}

function say(text, className) {
  at("said").textContent = text;
  at("said").className = className || "";
}

async function decode(name, body) {
  const mine = ++asked;
  const encoding = at("encoding").value;
  say(`${name}: being decoded`);
  at("result").hidden = true;
  try {
    const answer = await fetch(`api/decode${encoding ? `?encoding=${encoding}` : ""}`,
      { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body });
    const told = await answer.json();
    if (mine !== asked) return;    // something else has been given since
    if (!answer.ok) { say(told.text || JSON.stringify(told), "error"); return; }
    const { found, count } = told;
    fill(at("found"), found.map((one, index) => shown(one, index + 1, count)), "Nothing.");
    at("result").hidden = false;
    say(count > found.length ? `${name}: the first ${found.length} of ${count}; mcm-bench decode tells all.` : name);
  } catch (error) {
    if (mine === asked) say(`${name}: no answer of mcm-bench serve (${error.message})`, "error");
  }
}

function start() {
  const file = at("file").files[0];
  const text = at("text").value;
  if (file) decode(file.name, file);
  else if (text.trim()) decode("the text", new TextEncoder().encode(text));
  else say("Choose a file, or paste something.", "error");
}

at("given").addEventListener("submit", (submitted) => { submitted.preventDefault(); start(); });
at("file").addEventListener("change", () => { at("text").value = ""; if (at("file").files[0]) start(); });
at("text").addEventListener("input", () => { at("file").value = ""; });
at("encoding").addEventListener("change", () => { if (at("file").files[0] || at("text").value.trim()) start(); });

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (dragged) => {
    dragged.preventDefault();
    at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
  });
}
document.addEventListener("drop", (dropped) => {
  const { files, items } = dropped.dataTransfer;
  if (files.length > 1) { say("One file at a time.", "error"); return; }
  if (files.length) { at("file").files = files; at("text").value = ""; start(); return; }
  for (const item of items) {
    if (item.kind === "string" && item.type === "text/plain") {
      item.getAsString((text) => { at("file").value = ""; at("text").value = text; start(); });
    }
  }
});
