"use strict";
// What both pages have: languages, themes, and elements. Whatever comes from a scanner, a device or a person gets onto
// the page as text only, never as markup.
const LANGUAGES = { en: "English", sv: "Svenska", de: "Deutsch" };
const at = (id) => document.getElementById(id);
let words = {};

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// A word or a sentence of the language file; what it does not have is said as it is.
function say(key, facts, otherwise) {
  const text = Object.hasOwn(words, key) ? words[key] : otherwise === undefined ? key : otherwise;
  return text.replace(/\{(\w+)\}/g, (all, name) => facts && facts[name] !== undefined ? String(facts[name]) : all);
}

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}

function saved(name, otherwise) {
  try { return localStorage.getItem(name) || otherwise; } catch { return otherwise; }
}

function save(name, value) {
  try { localStorage.setItem(name, value); } catch { /* a browser that keeps nothing */ }
}

async function speak(language, then) {
  const answer = await fetch(`/languages/${language}.json`);
  if (!answer.ok) return;
  words = await answer.json();
  document.documentElement.lang = language;
  save("language", language);
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = say(one.dataset.text);
  then();
}

function chooseLanguage(then) {
  const list = at("language");
  for (const [code, name] of Object.entries(LANGUAGES)) {
    const option = element("option", name);
    option.value = code;
    list.append(option);
  }
  const asked = navigator.language.slice(0, 2);
  list.value = saved("language", Object.hasOwn(LANGUAGES, asked) ? asked : "en");
  list.addEventListener("change", () => speak(list.value, then));
  return speak(list.value, then);
}

function chooseTheme() {
  const themes = ["", "light", "dark"];
  const wear = () => { document.documentElement.dataset.theme = saved("theme", ""); };
  at("theme").addEventListener("click", () => {
    save("theme", themes[(themes.indexOf(saved("theme", "")) + 1) % themes.length]);
    wear();
  });
  wear();
}
