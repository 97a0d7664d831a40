"use strict";
// The page to sign in on. It speaks to /api/v1/session only.
const api = "/api/v1/session";
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("message").textContent = text; };
let csrf = null;

// A link's secret stands after the #: no server and no log sees it. It leaves the address bar too.
const link = new URLSearchParams(location.hash.slice(1)).get("link");
if (link) history.replaceState(null, "", location.pathname);

async function call(method, path, body) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (csrf) headers["X-CSRF-Token"] = csrf;
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) {
    if (said.secondFactor) byId("code").hidden = false;
    throw new Error(said.message.replace(/^[A-Z][A-Za-z ]+: /, ""));
  }
  return said;
}

function show(id) {
  for (const form of document.forms) form.hidden = form.id !== id;
  const first = document.querySelector("#" + id + " input");
  if (first) first.focus();
}

function entered(who) {
  csrf = who.csrfToken;
  byId("name").textContent = who.name;
  say("");
  byId("code").hidden = true;
  show(who.kind === "enrolling" ? "enrol" : "inside");
}

function on(id, work) {
  byId(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    say("…");
    try { await work(Object.fromEntries(new FormData(form))); } catch (error) { say(error.message); }
    // The password stays while a code is asked for, and no longer.
    if (form.id === "signin" && !form.hidden && !byId("code").hidden) return byId("code").querySelector("input").focus();
    for (const secret of form.querySelectorAll("input:not([type=email])")) secret.value = "";
  });
}

on("signin", async (given) => entered(await call("POST", "", given)));
on("choose", async (given) => {
  await call("POST", "/link", { link, password: given.password });
  show("signin");
  say("The password is saved. Sign in with it.");
});
on("enrol", async (given) => {
  const made = await call("POST", "/second-factor", { currentPassword: given.password });
  byId("uri").href = made.uri;
  byId("secret").textContent = made.secret;
  show("confirm");
  say("");
});
on("confirm", async (given) => {
  const made = await call("POST", "/second-factor/confirm", given);
  csrf = made.csrfToken;
  byId("recovery").hidden = false;
  byId("recovery").querySelector("code").textContent = made.recoveryCodes.join(" ");
  byId("secret").textContent = "";
  entered(await call("GET", ""));
});
on("inside", async () => {
  await call("DELETE", "");
  csrf = null;
  show("signin");
  say("You are signed out.");
});
byId("forgotten").addEventListener("click", async () => {
  const email = document.querySelector("#signin [name=email]").value;
  if (!email) return say("Write your e-mail address first.");
  try {
    await call("POST", "/forgotten", { email });
    say("If somebody has this address here, a mail is on its way.");
  } catch (error) { say(error.message); }
});

async function start() {
  if (link) return show("choose");
  const ways = await call("GET", "/ways");
  byId("forgotten").hidden = !ways.mail;
  try { entered(await call("GET", "")); } catch { show("signin"); }
}
start();
