// A person's page of banks: connects them, shows how fresh and right they are, asks what the worker could not decide,
// and imports statement files. It uses the worker's HTTP API alone, on the origin of the page.

import { followRun } from "./follow_run.js";

const API = "/bank-connections";
const $ = (id) => document.getElementById(id);

let token = { text: "", until: 0 };

// The sample's server hands out a token of the sample's user. FinMind's page has that of its login.
async function accessToken() {
  if (token.until < Date.now()) {
    const answer = await fetch("token", { method: "POST" });
    if (!answer.ok) throw new Error("Your log-in has ended: load this page again.");
    token = { text: await answer.text(), until: Date.now() + 10 * 60_000 };
  }
  return token.text;
}

async function ask(method, path, body, headers = {}) {
  const isForm = body instanceof FormData;
  const answer = await fetch(API + path, {
    method,
    headers: {
      Authorization: `Bearer ${await accessToken()}`,
      ...(body !== undefined && !isForm && { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined || isForm ? body : JSON.stringify(body),
  });
  if (answer.ok) return answer;
  const { message, errors } = await answer.json();
  throw Object.assign(new Error(message), { fields: errors ?? [] });
}

async function call(...asked) {
  const answer = await ask(...asked);
  return answer.status === 204 ? null : answer.json();
}

function make(tag, facts = {}, ...children) {
  const { onclick, className, ...attributes } = facts;
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (onclick) made.addEventListener("click", onclick);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function say(words, kind = "good") {
  $("message").textContent = words;
  $("message").className = kind;
  $("message").hidden = false;
}

// Does what a button asks for, once at a time, and says what went wrong.
function button(words, act) {
  return make("button", { type: "button", onclick: (event) => once(event.currentTarget, act) }, words);
}

async function once(pressed, act) {
  pressed.disabled = true;
  try {
    await act();
  } catch (error) {
    say(error.message, "bad");
  } finally {
    pressed.disabled = false;
  }
}

const money = (amount, currency) =>
  currency && /^[A-Z]{3}$/.test(currency)
    ? new Intl.NumberFormat(undefined, { style: "currency", currency }).format(amount)
    : `${amount} ${currency ?? ""}`.trim();
const moment = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

function ago(text) {
  const seconds = (new Date(text) - Date.now()) / 1000;
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const [unit, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (-seconds >= size) return words.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

// --- banks -----------------------------------------------------------------------------------------------------------

const STATES = {
  active: ["connected", "good"],
  needs_user: ["waits for you to log in again", "warn"],
  paused: ["paused", "warn"],
  error: ["does not work", "bad"],
};

async function showBanks() {
  const banks = (await call("GET", "/connections")).items.filter((bank) => bank.status !== "disconnected");
  $("bank-list").replaceChildren(...(await Promise.all(banks.map(bankCard))));
  $("no-banks").hidden = banks.length > 0;
}

// Draws one bank again, and leaves the others as they are: a form in them may be half filled in.
async function showBank(id) {
  const card = document.querySelector(`[data-id="${id}"]`);
  if (card === null) return showBanks();
  card.replaceWith(await bankCard(await call("GET", `/connections/${id}`)));
}

async function bankCard(bank) {
  const [accounts, runs] = await Promise.all([
    call("GET", `/connections/${bank.id}/accounts`),
    call("GET", `/connections/${bank.id}/import-runs?limit=1`),
  ]);
  const last = runs.items[0];
  const [state, kind] = STATES[bank.status];
  const fresh = bank.last_good_at ? `up to date ${ago(bank.last_good_at)}` : "not read completely yet";
  const progress = make("div", { "aria-live": "polite" });
  const buttons = make("div", { className: "actions" });
  if (bank.status === "paused") buttons.append(button("Go on", () => change(bank, { status: "active" })));
  else {
    buttons.append(button("Refresh", () => refresh(bank, progress)));
    buttons.append(button("Pause", () => change(bank, { status: "paused" })));
  }
  if (["needs_user", "error"].includes(bank.status)) buttons.prepend(button("Log in again", () => logInAgain(bank, progress)));
  buttons.append(button("Remove", () => remove(bank)));
  const lastTry = ["failed", "partial", "deferred"].includes(last?.status) ? last.message : null;
  const told = [bank.bank_outage, bank.status_message, bank.problem_message, lastTry].filter(Boolean);
  return make(
    "li",
    { "data-id": bank.id },
    make("div", { className: "head" }, make("strong", {}, bank.display_name), make("span", { className: kind }, state), make("span", { className: "soft" }, fresh)),
    ...[...new Set(told)].map((words) => make("p", { className: bank.bank_outage === words ? "soft" : "warn" }, words)),
    ...accounts.items.map((account) => accountLine(bank, account)),
    progress,
    buttons,
  );
}

function accountLine(bank, account) {
  const box = make("input", { type: "checkbox", checked: account.included });
  box.addEventListener("change", () =>
    once(box, async () => {
      await call("PATCH", `/connections/${bank.id}/accounts/${account.id}`, { included: box.checked });
      say(box.checked ? `${account.name} is imported from now on.` : `${account.name} is left out from now on.`);
    }),
  );
  const name = account.mask ? `${account.name} ··${account.mask}` : account.name;
  const balance = account.balance_amount === null ? "" : money(account.balance_amount, account.currency);
  return make(
    "div",
    {},
    make("label", { className: "row" }, box, make("span", {}, name), make("span", { className: "n" }, balance)),
    account.problem_message ? make("p", { className: "warn" }, account.problem_message) : null,
  );
}

// Asks for the log-in of a bank that is known already; its accounts and history stay.
async function logInAgain(bank, place) {
  const connector = connectors.find((one) => one.name === bank.connector_name);
  const inBrowser = connector.linked_by === "browser" && connector.fields.length === 0;
  if (connector.name === "plaid") return startLink(connector, {}, bank.id);
  const fields = inBrowser ? bankChoice(connector) : connector.fields.map(fieldInput);
  const form = make("form", {}, ...fields, make("button", {}, inBrowser ? "Go to the bank" : "Save"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    once(event.submitter, async () => {
      if (inBrowser) return startLink(connector, valuesOf(form), bank.id);
      await call("POST", `/connections/${bank.id}/refresh-auth`, { config: valuesOf(form) });
      await refresh(bank, place);
    });
  });
  place.replaceChildren(form);
}

async function change(bank, what) {
  await call("PATCH", `/connections/${bank.id}`, what);
  await showBank(bank.id);
}

async function remove(bank) {
  if (!confirm(`Remove ${bank.display_name}? Its imported expenses stay.`)) return;
  await call("DELETE", `/connections/${bank.id}`);
  say(`${bank.display_name} is removed.`);
  await showBanks();
}

async function refresh(bank, progress) {
  await follow(await call("POST", `/connections/${bank.id}/refresh`), progress);
}

// --- runs ------------------------------------------------------------------------------------------------------------

async function follow(run, place) {
  const bar = make("progress", {});
  const words = make("p", { className: "soft" });
  place.replaceChildren(bar, words);
  const show = (now) => {
    const days = now.read_from_on ? `, ${now.read_from_on} to ${now.read_to_on}` : "";
    words.textContent = now.status === "queued" ? "Waiting …" : `Reading: ${now.fetched} rows on ${now.pages} pages${days}`;
  };
  show(run);
  const end = await followRun({ accessToken, runId: run.id, show });
  place.replaceChildren();
  const ended = await call("GET", `/import-runs/${run.id}?limit=1`);
  say(result(ended), end.status === "succeeded" ? "good" : end.status === "failed" ? "bad" : "warn");
  await Promise.all([showBank(run.connection_id), showRuns(), showQuestions()]);
}

// What was under way when the page was opened is waited for, one stream after another.
async function followOpenRuns(runs) {
  for (const run of runs.filter((one) => ["queued", "running"].includes(one.status))) {
    await followRun({ accessToken, runId: run.id, show: () => {} });
    await Promise.all([showBank(run.connection_id), showRuns(), showQuestions()]);
  }
}

function result(run) {
  const legs = run.transfer_legs ? `, ${run.transfer_legs} between your accounts` : "";
  const done = `${run.connection_name}: ${run.created} new, ${run.updated} changed, ${run.unchanged} known${legs}.`;
  if (run.status === "succeeded") return done;
  if (run.status === "deferred") return `${run.connection_name}: ${run.message ?? "it goes on later"}.`;
  return `${run.status === "partial" ? done : run.connection_name + ":"} ${run.message ?? run.code}`;
}

async function showRuns() {
  const { items } = await call("GET", "/import-runs?limit=20");
  $("run-list").replaceChildren(
    ...items.map((run) =>
      make(
        "li",
        {},
        make(
          "div",
          { className: "head" },
          make("strong", {}, run.connection_name),
          make("span", { className: "soft" }, moment(run.queued_at)),
          make("span", {}, `${run.created} new, ${run.updated + run.removed} changed`),
          button("Rows", () => showStory(run.id)),
        ),
        make("p", { className: "soft" }, run.reverted_by_run_id ? "taken back" : run.message ?? run.status),
      ),
    ),
  );
  return items;
}

async function showStory(runId) {
  const run = await call("GET", `/import-runs/${runId}?limit=50`);
  $("story-title").textContent = `${run.connection_name}, ${moment(run.queued_at)}`;
  const problems = run.accounts.filter((one) => one.message).map((one) => `${one.name}: ${one.message}`);
  $("story-message").textContent = [run.message, ...problems].filter(Boolean).join(" ");
  $("story-rows").replaceChildren(...run.decisions.items.map(storyRow), ...run.rejections.items.map(rejectedRow));
  let next = run.decisions.next;
  $("story-more").hidden = next === null;
  $("story-more").onclick = () =>
    once($("story-more"), async () => {
      const page = await call("GET", `/import-runs/${runId}/decisions?limit=50&after=${next}`);
      $("story-rows").append(...page.items.map(storyRow));
      next = page.next;
      $("story-more").hidden = next === null;
    });
  $("story-revert").hidden = ["revert", "unmatch", "dismiss"].includes(run.kind) || run.reverted_by_run_id !== null || run.dry_run || run.finished_at === null;
  $("story-revert").onclick = () =>
    once($("story-revert"), async () => {
      $("story").close();
      await follow(await call("POST", `/import-runs/${runId}/revert`), $("understood"));
    });
  $("story").showModal();
}

const DONE = {
  created: "new", linked: "was there already", updated: "changed", restored: "is back", removed: "taken out",
  reverted: "taken back", suggested: "a question for you", unchanged: "known",
};

const why = ({ decision, reason }) =>
  ["created", "unchanged"].includes(decision) ? null : make("div", { className: "soft" }, reason.replaceAll("_", " "));

const storyRow = (row) =>
  make(
    "tr",
    {},
    make("td", {}, row.effective_on ?? ""),
    make("td", {}, row.description ?? ""),
    make("td", { className: "n" }, row.amount === null ? "" : money(row.amount, row.currency)),
    make("td", {}, DONE[row.decision] ?? row.decision, why(row)),
  );

const rejectedRow = (row) =>
  make("tr", {}, make("td", {}), make("td", {}, row.raw.slice(0, 200)), make("td", {}), make("td", { className: "bad" }, `not imported: ${row.message}`, decision(row)));

/** A row that could not be imported is left out by the person, or opened again; then no import stays partial for it. */
function decision(row) {
  if (row.resolved_at !== null) return make("div", { className: "soft" }, "imported since");
  const [word, path, done] = row.dismissed_at === null
    ? ["Leave out", "dismiss", "It is left out; that can be taken back."] : ["Open again", "reopen", "It is open again."];
  return button(word, async () => {
    await call("POST", `/rejections/${row.id}/${path}`, path === "dismiss" ? { why: "left out on the page of banks" } : undefined);
    $("story").close();
    say(done);
    await showBanks();
  });
}

// --- questions -------------------------------------------------------------------------------------------------------

const ASKED = {
  expense: "Is this the expense that you typed?",
  transfer: "Is this a transfer between your accounts?",
  account: "Is this the same account?",
  category: "Does this belong into the category?",
  withdrawn: "The bank does not list this any more. Is it gone?",
};

async function showQuestions() {
  const asked = (await call("GET", "/suggestions")).items;
  $("questions").hidden = asked.length === 0;
  $("question-list").replaceChildren(...asked.map(questionCard));
}

function questionCard(question) {
  const answer = (word, done) =>
    button(word === "accept" ? "Yes" : "No", async () => {
      await call("POST", `/suggestions/${question.id}/${word}`);
      say(done);
      await Promise.all([showBanks(), showQuestions()]);
    });
  return make(
    "li",
    {},
    make("strong", {}, ASKED[question.kind]),
    make("p", {}, side(question.bank)),
    make("p", {}, side(question.other)),
    make("div", { className: "actions" }, answer("accept", "Done."), answer("decline", "All stays as it is.")),
  );
}

const side = (one) =>
  [one.on, one.description, one.amount && money(one.amount, one.currency), one.account, one.connection, one.category].filter(Boolean).join(" · ");

// --- connect a bank --------------------------------------------------------------------------------------------------

let connectors = [];

async function showConnectors() {
  connectors = (await call("GET", "/connectors")).items.filter((one) => one.linked_by !== "file");
  $("connector").replaceChildren(
    ...connectors.map((one) =>
      make("option", { value: one.name, disabled: !one.ready }, one.ready ? one.display_name : `${one.display_name} (not set up here)`),
    ),
  );
  $("connector").value = connectors.find((one) => one.ready)?.name ?? "";
  showConnector();
}

function showConnector() {
  const chosen = connectors.find((one) => one.name === $("connector").value);
  $("connector-summary").textContent = chosen?.summary ?? "";
  $("connector-fields").replaceChildren(...(chosen?.fields ?? []).map(fieldInput), ...(chosen?.linked_by === "browser" ? bankChoice(chosen) : []));
}

function fieldInput(field) {
  const input = field.choices.length
    ? make("select", {}, ...(field.required ? [] : [make("option", { value: "" }, "—")]), ...field.choices.map((one) => make("option", { selected: one === field.default }, one)))
    : make("input", { type: field.secret ? "password" : "text", autocomplete: "off", value: field.default ?? "" });
  input.name = field.name;
  input.required = field.required;
  const help = make("span", { className: "soft", id: `help-${field.name}` }, field.help);
  if (field.link) help.append(" ", make("a", { href: field.link, target: "_blank", rel: "noreferrer" }, "Where to find it"));
  input.setAttribute("aria-describedby", help.id);
  return make("label", {}, field.title, input, help);
}

// A bank that is logged in to on its own page: country and bank first, where the provider has a list.
function bankChoice(connector) {
  if (connector.name === "plaid") return [];
  const banks = make("select", { name: "bank", required: true });
  const country = make("input", { name: "country", maxlength: 2, size: 2, pattern: "[A-Za-z]{2}", required: true, autocomplete: "country" });
  country.addEventListener("change", () =>
    once(banks, async () => {
      const listed = await call("GET", `/links/banks?connector_name=${connector.name}&country=${country.value.toUpperCase()}`);
      banks.replaceChildren(...listed.items.map((one) => make("option", { value: one.id }, one.name)));
    }),
  );
  return [make("label", {}, "Country (two letters)", country), make("label", {}, "Bank", banks)];
}

const valuesOf = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));

async function connect(form) {
  const chosen = connectors.find((one) => one.name === $("connector").value);
  const values = valuesOf(form);
  if (chosen.linked_by === "browser" && chosen.fields.length === 0) return startLink(chosen, values);
  say("Asking the bank …", "soft");
  const bank = await call("POST", "/connections?wait=20", { connector_name: chosen.name, config: values }, { "Idempotency-Key": crypto.randomUUID() });
  say(connected(bank));
  await showBanks();
  const place = document.querySelector(`[data-id="${bank.id}"] [aria-live]`);
  await follow(await call("GET", `/import-runs/${bank.first_run_id}?limit=1`), place);
}

// The first import goes on while the accounts are shown.
function connected(bank) {
  const names = bank.accounts.map((one) => one.name).join(", ");
  return `${bank.display_name} is connected${names && `: ${names}`}. Its transactions are read now.`;
}

async function startLink(connector, { bank, country }, renewed = null) {
  const started = await call("POST", "/links", {
    connector_name: connector.name,
    connection_id: renewed,
    ...(connector.name === "plaid" ? { hosted: true } : { bank, country: country?.toUpperCase(), redirect_url: location.origin + location.pathname }),
  });
  sessionStorage.setItem("link", JSON.stringify({ connector_name: connector.name, state: started.state }));
  location.assign(started.url);
}

// The bank sent the person back to this page: what it says is exchanged, and leaves the address.
async function finishLink() {
  const back = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem("link") ?? "null");
  if (begun === null || !(back.has("code") || back.has("ref") || back.has("error"))) return;
  sessionStorage.removeItem("link");
  history.replaceState(null, "", location.pathname);
  if (back.has("error")) {
    await call("POST", "/links/abandon", begun);
    return say("The bank was not connected.", "warn");
  }
  if ((back.get("state") ?? back.get("ref")) !== begun.state) return say("This answer belongs to another log-in: start again.", "bad");
  const code = back.get("code");
  const bank = await call("POST", "/links/complete?wait=20", code === null ? begun : { ...begun, code });
  if (bank.first_run_id === null) await call("POST", `/connections/${bank.id}/refresh`); // a login that was renewed
  say(connected(bank));
}

// --- statement files -------------------------------------------------------------------------------------------------

async function understand(file, answers = []) {
  const form = fileForm(file, answers);
  const found = await call("POST", "/files/inspections", form);
  const parts = [
    ...found.files.flatMap((one) => one.accounts.map((account) => accountFacts(one, account))),
    ...found.files.flatMap((one) => one.warnings.map((words) => make("p", { className: "warn" }, words))),
    ...found.refused.map((one) => make("p", { className: "warn" }, one.reason)),
    ...found.refused.flatMap((one) => one.questions.map((question) => fileQuestion(file, question, answers))),
  ];
  if (found.files.length) parts.push(make("div", { className: "actions" }, button("Import", () => importFile(file, answers))));
  $("understood").replaceChildren(...parts);
}

function fileForm(file, answers) {
  const form = new FormData();
  form.append("file", file);
  for (const [name, value] of answers) form.append(name, value);
  return form;
}

function accountFacts(file, account) {
  const days = account.first_on === null ? "" : `, ${account.first_on} to ${account.last_on}`;
  const sums = `in ${money(account.money_in, account.currency)}, out ${money(account.money_out, account.currency)}`;
  const adds = { proven: "; the balances agree", mismatch: `; the balances differ by ${account.off_by}`, unproven: "" }[account.adds_up];
  const bad = account.rejected ? `; ${account.rejected} rows cannot be read` : "";
  return make("p", {}, make("strong", {}, account.name), ` (${file.format}): ${account.rows} rows${days}; ${sums}${adds}${bad}.`);
}

function fileQuestion(file, question, answers) {
  const select = make("select", {}, make("option", { value: "" }, "Choose …"), ...question.choices.map((one) => make("option", {}, one)));
  select.addEventListener("change", () => once(select, () => understand(file, [...answers, answered(question, select.value)])));
  return make("label", {}, question.text, select);
}

function answered({ field, column }, choice) {
  if (field !== "columns") return [field, choice];
  return choice === "ignore" ? ["ignore", column] : ["column", `${column}=${choice}`];
}

async function importFile(file, answers) {
  await follow(await call("POST", "/files", fileForm(file, answers)), $("understood"));
  $("chosen").value = "";
}

// --- everything that is kept about the person -------------------------------------------------------------------------

// A link cannot send the token, and no token belongs in an address: the answer is read, and then saved.
async function saveExport() {
  const answer = await ask("GET", "/export");
  const [, name] = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"));
  const address = URL.createObjectURL(await answer.blob());
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

// --- the page --------------------------------------------------------------------------------------------------------

$("connector").addEventListener("change", showConnector);
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  once(event.submitter, () => connect(event.target));
});
$("chosen").addEventListener("change", (event) => event.target.files[0] && once(event.target, () => understand(event.target.files[0])));
$("drop").addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files[0]) once($("chosen"), () => understand(event.dataTransfer.files[0]));
});
$("story-close").addEventListener("click", () => $("story").close());
$("data").append(button("Download my data", saveExport));

try {
  await showConnectors();
  await finishLink();
  const [, runs] = await Promise.all([showBanks(), showRuns(), showQuestions()]);
  await followOpenRuns(runs);
} catch (error) {
  say(error.message, "bad");
}
