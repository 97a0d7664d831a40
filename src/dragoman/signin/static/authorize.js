"use strict";
// The page on which an application is let in. The server looks at the query before it shows this.
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("message").textContent = text; };
const query = new URLSearchParams(location.search);
let csrf = null;

async function answer(approve) {
  say("…");
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  const body = JSON.stringify({ query: location.search, approve });
  const said = await fetch("/oauth/authorize", { method: "POST", headers, body });
  const told = await said.json();
  if (!said.ok) return say(told.message || told.error_description);
  say(approve ? "You may close this page." : "Nothing was given.");
  location.assign(told.location);
}

byId("consent").addEventListener("submit", (event) => { event.preventDefault(); answer(true); });
byId("deny").addEventListener("click", () => answer(false));

async function start() {
  const said = await fetch("/api/v1/session");
  const who = said.ok ? await said.json() : null;
  if (!who || who.kind !== "session") {
    return location.replace("/signin?" + new URLSearchParams({ next: location.pathname + location.search }));
  }
  csrf = who.csrfToken;
  byId("name").textContent = who.name;
  byId("application").textContent = query.get("client_id");
  byId("place").textContent = new URL(query.get("redirect_uri")).host;
  byId("consent").hidden = false;
}
start();
