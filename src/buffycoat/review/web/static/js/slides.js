// Where photographs are dropped, and how far they have come.
import { ask } from "./api.js";
import { enqueue, forget, listen, uploads } from "./uploads.js";

const drop = document.getElementById("drop");
const list = document.getElementById("uploads");
const HIDDEN = /^(\.|thumbs\.db$|desktop\.ini$|__macosx)/i;

/** Every file below what was dropped: folders are walked through. */
async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  const walk = async (entry, path) => {
    if (entry instanceof File) { found.push({ file: entry, name: entry.name }); return; }
    if (HIDDEN.test(entry.name)) return;
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
      found.push({ file, name: path + entry.name });
    } else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
        if (!some.length) break;
        for (const one of some) await walk(one, `${path}${entry.name}/`);
      }
    }
  };
  const folder = entries.length === 1 && entries[0].isDirectory ? entries[0].name : "";
  for (const entry of entries) if (entry) await walk(entry, "");
  return { files: found, folder };
}

const size = (bytes) => (bytes < 1 << 20 ? `${Math.max(1, Math.round(bytes / 1024))} kB` : `${(bytes / (1 << 20)).toFixed(bytes < 10 << 20 ? 1 : 0)} MB`);

function suggestion(files, folder) {
  if (folder) return folder;
  if (files.length === 1) return files[0].name.replace(/^.*\//, "").replace(/\.(tar\.gz|[a-z0-9]+)$/i, "");
  const now = new Date();
  return `Slide of ${new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(now)}`;
}

let waiting = [];

function take(files, folder) {
  const sorted = files.filter((one) => one.file.size && !HIDDEN.test(one.file.name)).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  if (!sorted.length) return;
  if (drop.dataset.slide) { enqueue({ id: drop.dataset.slide, name: drop.dataset.name }, sorted); return; }
  waiting = sorted;
  const dialog = document.getElementById("new-slide");
  const bytes = sorted.reduce((sum, one) => sum + one.file.size, 0);
  dialog.querySelector("[data-chosen]").textContent = `${sorted.length === 1 ? sorted[0].name : `${sorted.length.toLocaleString("en")} files`}, ${size(bytes)}`;
  const name = dialog.querySelector("[name=name]");
  name.value = suggestion(sorted, folder);
  dialog.querySelector("[data-fault]").hidden = true;
  dialog.showModal();
  name.select();
}

async function start(event) {
  event.preventDefault();
  const form = event.target, fault = form.querySelector("[data-fault]"), button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    const slide = await ask("POST", "/api/v1/slides", { name: form.elements.name.value, note: form.elements.note.value, readings_wanted: form.elements.two.checked ? 2 : 1 });
    await enqueue(slide, waiting);
    waiting = [];
    form.closest("dialog").close();
    form.reset();
  } catch (error) {
    fault.textContent = error.detail || error.message;
    fault.hidden = false;
  } finally { button.disabled = false; }
}

// One line for every upload: sent, then analysed.
const lines = new Map();
const watched = new Map();

function line(upload) {
  let one = lines.get(upload.id);
  if (!one) {
    one = document.createElement("div");
    one.className = "upload";
    const name = Object.assign(document.createElement("b"), { textContent: upload.name });
    const go = Object.assign(document.createElement("a"), { href: `/slides/${upload.slide}`, textContent: "To the desk" });
    const bar = document.createElement("progress");
    bar.setAttribute("aria-label", `Upload and analysis of ${upload.name}`);
    const said = Object.assign(document.createElement("span"), { className: "said" });
    const discard = Object.assign(document.createElement("button"), { type: "button", className: "button plain discard", textContent: "Discard", hidden: true });
    discard.setAttribute("aria-label", `Discard what waits of ${upload.name}`);
    discard.addEventListener("click", async () => { await forget(upload.id); lines.delete(upload.id); one.remove(); });
    one.append(name, go, bar, said, discard);
    Object.assign(one, { bar, said, discard });
    lines.set(upload.id, one);
    list.prepend(one);
  }
  return one;
}

function show(upload) {
  if (!list || (drop?.dataset.slide && drop.dataset.slide !== upload.slide)) return;
  const one = line(upload);
  if (upload.state !== "done") {
    one.bar.max = upload.total;
    one.bar.value = upload.sent;
    one.said.textContent = upload.words || (upload.state === "waiting" && !upload.sent ? "Waiting to be sent" : `Uploading: ${upload.sent.toLocaleString("en")} of ${upload.total.toLocaleString("en")} files`);
  }
  one.discard.hidden = !(upload.state === "failed" || upload.words?.startsWith("Waiting"));
  told(one, upload);
  if (upload.added || upload.state === "done") watch(upload, one);
}

function told(one, upload) {
  const troubles = [...upload.refused, ...upload.skipped];
  if (!troubles.length) return;
  one.querySelector("details")?.remove();
  const details = document.createElement("details");
  details.append(Object.assign(document.createElement("summary"), { textContent: `${upload.refused.length ? `${upload.refused.length} not taken` : ""}${upload.refused.length && upload.skipped.length ? ", " : ""}${upload.skipped.length ? `${upload.skipped.length} skipped` : ""}` }));
  const items = document.createElement("ul");
  items.append(...troubles.slice(0, 200).map((trouble) => Object.assign(document.createElement("li"), { textContent: `${trouble.name}: ${trouble.reason}` })));
  details.append(items);
  one.append(details);
}

async function watch(upload, one) {
  const known = watched.get(upload.id);
  watched.set(upload.id, upload);
  if (known) return;
  refresh();
  for (;;) {
    const now = watched.get(upload.id);
    const progress = await ask("GET", `/api/v1/slides/${upload.slide}/progress`).catch((fault) => (fault.status === 404 ? "gone" : null));
    if (progress === "gone") { one.remove(); await forget(upload.id); return; }
    if (progress && now.state === "done") {
      one.bar.max = Math.max(1, progress.fields);
      one.bar.value = progress.done;
      one.said.textContent = progress.state === "analysing" ? `Analysing: ${progress.done.toLocaleString("en")} of ${progress.fields.toLocaleString("en")} photographs, ${progress.cells.toLocaleString("en")} cells so far` : `${progress.fields.toLocaleString("en")} photographs analysed, ${progress.cells.toLocaleString("en")} cells${progress.failed ? `, ${progress.failed} failed` : ""}`;
      if (progress.state !== "analysing") { await forget(upload.id); one.classList.add("finished"); refresh(); return; }
    }
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
}

/** The list asks for itself while something is analysed; here it is told to begin. */
function refresh() {
  const filters = document.getElementById("filters");
  if (filters) filters.dispatchEvent(new Event("change", { bubbles: true }));
  const fields = document.getElementById("fields");
  if (fields) globalThis.htmx?.ajax("GET", `/pages/slides/${drop.dataset.slide}/fields`, { target: "#fields", swap: "outerHTML" });
}

if (drop) {
  const pick = { files: drop.querySelector("[name=files]"), folder: drop.querySelector("[name=folder]") };
  for (const button of drop.querySelectorAll("[data-pick]")) button.addEventListener("click", () => pick[button.dataset.pick].click());
  for (const input of Object.values(pick)) {
    input.addEventListener("change", () => {
      const files = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
      take(files, input.files[0]?.webkitRelativePath.split("/")[0] ?? "");
      input.value = "";
    });
  }
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (carries(event)) { event.preventDefault(); depth += 1; drop.classList.add("over"); } });
  addEventListener("dragleave", (event) => { if (carries(event)) { depth -= 1; if (depth <= 0) { depth = 0; drop.classList.remove("over"); } } });
  addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    drop.classList.remove("over");
    const { files, folder } = await dropped(event.dataTransfer);
    take(files, folder);
  });
  document.getElementById("new-slide")?.querySelector("form").addEventListener("submit", start);
}

document.getElementById("remove-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, fault = form.querySelector("[data-fault]");
  try {
    await ask("DELETE", `/api/v1/slides/${form.dataset.slide}?reason=${encodeURIComponent(form.elements.reason.value)}`);
    location.assign("/");
  } catch (error) { fault.textContent = error.detail || error.message; fault.hidden = false; }
});

// The list's tabs keep the rest of the filters; going back shows what was shown.
listen(show);
for (const upload of await uploads()) show(upload);
document.documentElement.dataset.ready = "";
