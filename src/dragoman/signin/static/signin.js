"use strict";
// The page to sign in on. It speaks to /api/v1/session only.
const api = "/api/v1/session";
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("message").textContent = text; };
let csrf = null;

// A link's secret stands after the #: no server and no log sees it. It leaves the address bar too.
const after = new URLSearchParams(location.hash.slice(1));
const link = after.get("link");
const refused = after.get("refused");
// Where to go on once somebody is signed in: a page of this server only, null for none.
function own(next) {
  if (next === null) return null;
  try {
    const place = new URL(next, location.origin);
    // A path like /.//host becomes //host, which is another server.
    const here = place.origin === location.origin && !place.pathname.startsWith("//");
    return here ? place.pathname + place.search : null;
  } catch { return null; }
}
const onward = own(new URLSearchParams(location.search).get("next"));
if (link || refused) history.replaceState(null, "", location.pathname);

// Why an identity provider's answer let nobody in, and what to do. An admin finds more in the audit.
const refusals = {
  unknown_provider: "This way to sign in is not there any more. Choose another.",
  provider_unreachable: "The identity provider cannot be reached, or not understood. Try again later, or tell an admin.",
  begin_anew: "That took too long, or was begun in another browser. Begin anew.",
  denied: "You have not signed in at the identity provider.",
  provider_refused: "The identity provider refused. Tell an admin.",
  answer_invalid: "What the identity provider answered does not hold. Begin anew; if that does not help, tell an admin.",
  no_email: "The identity provider does not tell your e-mail address. Tell an admin.",
  email_not_verified: "Your e-mail address is not verified at the identity provider. Verify it there, then begin anew.",
  domain: "Addresses like yours may not sign in this way. Choose another, or tell an admin.",
  no_account: "There is no account here that you may use this way. Ask an admin for one.",
  suspended: "Your account here is suspended. Tell an admin.",
  other_identity: "The account with your address belongs to somebody else at the identity provider. Tell an admin.",
  mapping: "What the identity provider says of you does not fit the settings here. Tell an admin.",
  second_factor: "The identity provider has to ask you for a stronger proof. Tell an admin.",
};

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
  // Not while recovery codes are shown: they are shown once.
  const leads = onward !== null && who.kind === "session";
  if (leads && byId("recovery").hidden) return location.replace(onward);
  byId("onward").hidden = !leads;
  if (leads) byId("onward").querySelector("a").href = onward;
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
  const said = await call("DELETE", "");
  if (said.signOutUrl) return location.assign(said.signOutUrl);
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
  byId("local").hidden = byId("local").disabled = !ways.password;
  byId("providers").hidden = !ways.providers.length;
  for (const way of ways.providers) {
    const button = document.createElement("a");
    button.href = way.url + (onward === null ? "" : "?" + new URLSearchParams({ next: onward }));
    button.textContent = "Sign in with " + way.name;
    byId("providers").append(button);
  }
  try { entered(await call("GET", "")); } catch { show("signin"); }
  if (refused) say(Object.hasOwn(refusals, refused) ? refusals[refused] : "Nobody was signed in. Begin anew.");
}
start();
