// Signing a reading, and opening a signed one again.
import { ask, requestId } from "./api.js";

/** The hash of every label that the page shows, as the server reckons it; null where the browser cannot (plain http). */
async function shownHash(board) {
  if (!globalThis.crypto?.subtle) return null;
  const alive = board.alive().map((cell) => [cell.id, cell.label]).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(alive).replace(/[\u007f-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Signing {
  constructor(desk) {
    this.desk = desk;
    this.button = document.querySelector("[data-sign]");
    this.dialog = document.getElementById("sign");
    this.button?.addEventListener("click", () => this.open());
    this.dialog?.querySelector("form").addEventListener("submit", (event) => this.sign(event));
    this.dialog?.querySelector("[data-first-unseen]").addEventListener("click", () => { this.dialog.close(); this.desk.goUnseen(); });
    document.getElementById("amend")?.querySelector("form").addEventListener("submit", (event) => this.amend(event));
  }

  /** Why it cannot be signed yet, in sentences. */
  whyNot() {
    const { now } = this.desk.tally;
    const said = [];
    const { fields } = this.desk.board;
    const waiting = [...fields.values()].filter((field) => field.state === "queued").length;
    if (!fields.size) said.push("The slide has no photograph.");
    if (waiting) said.push(waiting === 1 ? "One photograph is still being analysed." : `${waiting} photographs are still being analysed.`);
    if (now.seen < now.total) said.push(`${(now.total - now.seen).toLocaleString("en")} of ${now.total.toLocaleString("en")} cells have not been seen.`);
    return said;
  }

  update() { this.button?.classList.toggle("primary", !this.whyNot().length); }

  open() {
    const why = this.whyNot(), { now } = this.desk.tally;
    this.dialog.querySelector("[data-why]").replaceChildren(...why.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
    this.dialog.querySelector("[data-not-yet]").hidden = !why.length;
    this.dialog.querySelector("[data-ready]").hidden = Boolean(why.length);
    this.dialog.querySelector("[data-first-unseen]").hidden = now.seen >= now.total;
    this.dialog.querySelector("[type=submit]").hidden = Boolean(why.length);
    this.dialog.querySelector("[data-what]").textContent = this.summary(now);
    this.dialog.querySelector("[data-fault]").hidden = true;
    this.dialog.showModal();
    (why.length ? this.dialog.querySelector("[data-closes]") : this.dialog.querySelector("[name=name]:not([readonly])") ?? this.dialog.querySelector("[name=password]")).focus();
  }

  summary(now) {
    const parts = this.desk.board.labels.filter((label) => label.counted && now.counts.get(label.name)).map((label) => `${now.counts.get(label.name)} ${label.title.toLowerCase()}`);
    const outside = this.desk.board.labels.filter((label) => !label.counted && now.counts.get(label.name)).map((label) => `${now.counts.get(label.name)} ${label.title.toLowerCase()}`);
    return `${now.denominator.toLocaleString("en")} cells counted: ${parts.join(", ") || "none"}.${outside.length ? ` Outside the count: ${outside.join(", ")}.` : ""}`;
  }

  async sign(event) {
    event.preventDefault();
    const form = event.target, fault = form.querySelector("[data-fault]"), button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      await this.desk.sync.settled();
      const reading = this.desk.sync.readingId ?? await this.desk.openReading();
      await ask("POST", `/api/v1/readings/${reading}/sign`, {
        name: form.elements.name.value, password: form.elements.password?.value || null,
        sequence: this.desk.sync.sequence, request_id: (this.request ??= requestId()),
        cells_sha256: await shownHash(this.desk.board),
      });
      location.reload();
    } catch (error) {
      if (!error.lost && !(error.status >= 500)) this.request = null; // an answer that was lost is asked for again
      fault.textContent = error.detail || error.message;
      fault.hidden = false;
      button.disabled = false;
    }
  }

  async amend(event) {
    event.preventDefault();
    const form = event.target, fault = form.querySelector("[data-fault]");
    try {
      await ask("POST", `/api/v1/readings/${this.desk.view.reading.id}/amend`, { reason: form.elements.reason.value, request_id: (this.request ??= requestId()) });
      location.reload();
    } catch (error) {
      if (!error.lost && !(error.status >= 500)) this.request = null;
      fault.textContent = error.detail || error.message;
      fault.hidden = false;
    }
  }
}
