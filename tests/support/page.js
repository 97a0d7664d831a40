// Runs a script of a page against elements that are only noted: `node page.js SCRIPT URL ANSWERS [PRESS]`.
// ANSWERS: JSON, path to [ok, body]. PRESS: the form that is sent at the end. Prints what was done.
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

const [script, url, answers, press] = process.argv.slice(2);
const known = JSON.parse(answers);
const { hash, pathname, search, origin } = new URL(url);
const elements = {};
const went = [];
const asked = [];

function element() {
  return {
    hidden: true, disabled: false, textContent: "", value: "", href: "", children: [], on: {}, inside: null,
    append(child) { this.children.push(child); },
    addEventListener(name, work) { this.on[name] = work; },
    focus() {},
    querySelector() { return this.inside ??= element(); },
    querySelectorAll() { return []; },
  };
}

const byId = (id) => elements[id] ??= element();
const go = (to) => went.push(new URL(to, url).href);
vm.runInNewContext(fs.readFileSync(script, "utf8"), {
  URL, URLSearchParams, FormData: class {},
  document: { forms: [], getElementById: byId, querySelector: () => null, createElement: element },
  history: { replaceState() {} },
  location: { hash, pathname, search, origin, assign: go, replace: go },
  fetch: async (path, options = {}) => {
    asked.push([options.method ?? "GET", path, options.headers ?? {}]);
    const [ok, body] = known[path] ?? [false, { message: "Not Found" }];
    return { ok, json: async () => body };
  },
});

const settled = () => new Promise((done) => setTimeout(done, 20));
settled().then(async () => {
  if (press) byId(press).on.submit({ preventDefault() {} });
  await settled();
  const links = byId("providers").children.map((child) => child.href);
  const shown = Object.keys(elements).filter((id) => !elements[id].hidden);
  console.log(JSON.stringify({ went, asked, links, shown, texts: byId("name").textContent }));
});
