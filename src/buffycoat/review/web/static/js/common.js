// What every page has: the theme, dialogs that open from buttons, the CSRF token on HTMX requests, signing out.
import { ask, momentOf, wordsOf } from "./api.js";
import { toast } from "./toasts.js";
import "./uploads.js"; // an upload begun on one page goes on from any other

const THEMES = ["auto", "light", "dark"];

function theme() {
  const now = document.documentElement.dataset.theme ?? "auto";
  for (const button of document.querySelectorAll("[data-theme-button]")) {
    button.title = `Colours: ${now === "auto" ? "as the system" : now}`;
    button.setAttribute("aria-label", button.title);
    for (const icon of button.querySelectorAll("[data-icon]")) icon.toggleAttribute("hidden", icon.dataset.icon !== now);
  }
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "auto";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try { localStorage.setItem("buffycoat.theme", next); } catch { /* it lasts for this page */ }
  theme();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button, a");
  if (!button) return;
  if (button.matches("[data-theme-button]")) nextTheme();
  if (button.dataset.opens) document.getElementById(button.dataset.opens)?.showModal();
  if (button.matches("[data-closes]")) button.closest("dialog")?.close();
  if (button.matches("[data-prints]")) window.print();
  if (button.matches("[data-signs-out]")) {
    await ask("DELETE", "/api/v1/session").catch(() => null);
    location.assign("/login");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  const help = document.getElementById("help");
  if (help && !document.querySelector("dialog[open]")) { event.preventDefault(); help.showModal(); }
});

// HTMX asks for parts of pages only; were one to change something, it would carry the token.
document.addEventListener("htmx:config:request", (event) => {
  const headers = event.detail?.ctx?.request?.headers;
  if (headers) headers["X-CSRF-Token"] = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
});

/** Times are sent in UTC and shown as the person's clock shows them. */
export function localTimes(root = document) {
  const long = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
  for (const one of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(one.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    one.title = at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
    one.textContent = long.format(at);
    one.dataset.local = "";
  }
}
document.addEventListener("htmx:after:swap", () => localTimes());

/** A time that is to be changed stands in its field as the person's clock shows it. */
for (const field of document.querySelectorAll('input[type="datetime-local"][data-at]')) {
  const at = new Date(field.dataset.at);
  if (!Number.isNaN(at.valueOf())) field.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, at.getSeconds() ? 19 : 16);
}

/** A form whose answer is JSON: `data-api="POST /api/v1/…"`, then go to `data-then` or load again. */
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-api]");
  if (!form) return;
  event.preventDefault();
  const [method, path] = form.dataset.api.split(" ");
  const fault = form.querySelector("[data-fault]");
  const body = {};
  for (const field of form.elements) {
    if (!field.name || (field.type === "radio" && !field.checked)) continue;
    if (field.type === "checkbox") body[field.name] = field.checked;
    else if (field.value === "" && field.dataset.null !== undefined) body[field.name] = null;
    else if (field.type === "datetime-local") body[field.name] = momentOf(field.value);
    else if (field.dataset.number !== undefined || field.type === "number") body[field.name] = Number(field.value);
    else body[field.name] = field.value;
  }
  if (form.dataset.again) { // a password typed twice
    const [one, two] = form.dataset.again.split(" ");
    if (body[one] !== body[two]) { fault.textContent = "The two passwords differ."; fault.hidden = false; return; }
    delete body[two];
  }
  const buttons = form.querySelectorAll("button");
  buttons.forEach((one) => { one.disabled = true; });
  try {
    const answer = await ask(method, path, body);
    form.dispatchEvent(new CustomEvent("answered", { detail: answer, bubbles: true }));
    if (form.dataset.then) location.assign(form.dataset.then);
    else if (form.dataset.stay === undefined) location.reload();
    else if (form.dataset.stay) { toast(form.dataset.stay); form.reset(); }
    if (fault) fault.hidden = true;
  } catch (error) {
    if (!fault) toast(error.message, { bad: true });
    else {
      const wait = error.retryAfter ? ` Try again in ${error.retryAfter > 90 ? `${Math.ceil(error.retryAfter / 60)} minutes` : `${error.retryAfter} seconds`}.` : "";
      fault.textContent = wordsOf(error) + wait;
      fault.hidden = false;
    }
  } finally {
    buttons.forEach((one) => { one.disabled = false; });
  }
});

/** A table that is wider than the window can be scrolled with the keyboard too. */
function scrollable() {
  for (const box of document.querySelectorAll(".tablebox")) {
    const wide = box.scrollWidth > box.clientWidth + 1 || box.classList.contains("fieldbox");
    if (wide && !box.hasAttribute("tabindex")) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", box.closest("section")?.querySelector("h2")?.textContent ?? "Table");
    } else if (!wide && box.tabIndex === 0) {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  }
}
addEventListener("resize", scrollable);
document.addEventListener("htmx:after:swap", scrollable);

theme();
localTimes();
scrollable();
