"use strict";
// Text of mails reaches the page through textContent only; their HTML lives in its own frame.
const ROOT = "/_gavan/inbox";
const element = (id) => document.getElementById(id);
const TABS = { html: "frame", text: "text", headers: "headers" };
const state = { mails: [], chosen: "", tab: "html" };

async function ask(path, method = "GET") {
  const answer = await fetch(`${ROOT}/api/${path}`, { method });
  if (answer.status === 204 || answer.status === 404) return null;
  if (!answer.ok) throw new Error(`the inbox answered ${answer.status}`);
  return answer.json();
}

function time(seconds) {
  const at = new Date(seconds * 1000);
  const today = at.toDateString() === new Date().toDateString();
  return today
    ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })
    : at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function piece(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  span.title = text;
  return span;
}

function row(mail) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-current", String(mail.id === state.chosen));
  button.append(piece("to", mail.to), piece("at", time(mail.at)), piece("subject", mail.subject));
  button.addEventListener("click", () => choose(mail.id));
  item.append(button);
  return item;
}

function draw() {
  const wanted = element("search").value.trim().toLowerCase();
  const shown = state.mails.filter((mail) =>
    `${mail.to}\n${mail.subject}`.toLowerCase().includes(wanted));
  element("list").replaceChildren(...shown.map(row));
  element("empty").hidden = shown.length > 0;
  element("empty").textContent = state.mails.length
    ? "No mail fits the filter."
    : "No mail yet. Sign up, invite somebody or ask for a sign-in link.";
  element("clear").disabled = state.mails.length === 0;
}

function tab(name) {
  state.tab = name;
  for (const [key, panel] of Object.entries(TABS)) {
    element(`tab-${key}`).setAttribute("aria-selected", String(key === name));
    element(panel).hidden = key !== name;
  }
}

async function choose(id) {
  const mail = id ? await ask(`mails/${id}`) : null;
  state.chosen = mail ? mail.id : "";
  document.body.classList.toggle("reading", Boolean(mail));
  element("mail").hidden = !mail;
  draw();
  if (!mail) return;
  element("subject").textContent = mail.subject;
  element("to").textContent = mail.to;
  element("from").textContent = mail.from;
  element("at").textContent = time(mail.at);
  element("link").hidden = !/^https?:/.test(mail.link);
  element("link").href = element("link").hidden ? "" : mail.link;
  element("code").hidden = !mail.code;
  element("code").textContent = `Copy code ${mail.code}`;
  element("code").onclick = () => navigator.clipboard.writeText(mail.code);
  element("delete").onclick = async () => {
    await ask(`mails/${mail.id}`, "DELETE");
    await refresh();
  };
  element("frame").src = `${ROOT}/mails/${mail.id}.html`;
  element("text").textContent = mail.text;
  element("headers").textContent = mail.headers.map((pair) => pair.join(": ")).join("\n");
  tab(mail.html ? state.tab : "text");
}

async function refresh() {
  state.mails = (await ask("mails")).mails;
  if (state.chosen && !state.mails.some((mail) => mail.id === state.chosen)) await choose("");
  draw();
}

async function follow() {
  for (;;) {
    try {
      const newest = state.mails.length ? state.mails[0].id : "";
      if (await ask(`wait?timeout=9&after=${newest}`)) await refresh();
    } catch {
      await new Promise((done) => setTimeout(done, 2000)); // the stack is down: it may come back
    }
  }
}

for (const name of Object.keys(TABS)) element(`tab-${name}`).addEventListener("click", () => tab(name));
element("search").addEventListener("input", draw);
element("back").addEventListener("click", () => choose(""));
element("clear").addEventListener("click", async () => {
  if (!confirm("Delete every mail of this stack's inbox?")) return;
  await ask("mails", "DELETE");
  await refresh();
});
tab("html");
refresh().catch(() => draw()).finally(follow);
