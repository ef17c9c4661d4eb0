// Where photographs are dropped, and how far they have come.
import { ask, momentOf, wordsOf } from "./api.js";
import { byFolder, hashesOf, mayBePhotograph, namesOf } from "./folders.js";
import { toast } from "./toasts.js";
import { enqueue, forget, listen, uploads } from "./uploads.js";

const drop = document.getElementById("drop");
const list = document.getElementById("uploads");
const ARCHIVE = /\.(zip|tar|tar\.(gz|bz2|xz)|tgz|tbz2|txz)$/i;
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

let waiting = []; // for each slide that is to be made: its name and files
let groups = [];

async function take(files, folder) {
  const sorted = files.filter((one) => !HIDDEN.test(one.file.name)).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  if (!sorted.length) return;
  groups = await byFolder(sorted);
  if (!groups.length) { toast(`No photograph among ${sorted.length === 1 ? `them: ${sorted[0].name}` : `these ${sorted.length} files`}.`, { bad: true, seconds: 8 }); return; }
  if (drop.dataset.slide) {
    if (groups.length < 2 || window.confirm(`These photographs lie in ${groups.length} folders. Put all of them on this slide?`)) enqueue({ id: drop.dataset.slide, name: drop.dataset.name }, sorted);
    return;
  }
  const dialog = document.getElementById("new-slide"), form = dialog.querySelector("form");
  const bytes = sorted.reduce((sum, one) => sum + one.file.size, 0);
  dialog.querySelector("[data-chosen]").textContent = `${sorted.length === 1 ? sorted[0].name : `${sorted.length.toLocaleString("en")} files`}, ${size(bytes)}`;
  form.reset();
  const loose = suggestion(sorted, folder);
  const names = namesOf(groups.map((group) => group.folder), loose);
  groups.forEach((group, at) => { group.name = names[at]; });
  groups.all = sorted;
  groups.hashes = null;
  form.elements.name.value = loose;
  dialog.querySelector("[data-folders]").hidden = groups.length < 2;
  dialog.querySelector("[data-folders] legend").textContent = `${groups.length} folders: ${groups.length === 2 ? "two" : groups.length} slides, or one?`;
  dialog.querySelector("[data-each]").textContent = `${groups.length === 2 ? "Two" : groups.length} slides: ${groups.slice(0, 6).map((group) => `${group.name} (${many(group.photographs, "photograph")})`).join(", ")}${groups.length > 6 ? " …" : ""}`;
  dialog.querySelector("[data-fault]").hidden = true;
  apart();
  dialog.showModal();
  if (groups.length < 2) form.elements.name.select();
  const own = groups;
  const hashes = await hashesOf(sorted.filter((one) => mayBePhotograph(one.name) && !ARCHIVE.test(one.name)));
  if (hashes && groups === own) { groups.hashes = hashes; look(); }
}

/** A slide for each folder, or one for all: what belongs to one slide alone is asked for only there. */
function apart() {
  const dialog = document.getElementById("new-slide"), form = dialog.querySelector("form");
  const each = groups.length > 1 && form.elements.each.value === "yes";
  dialog.querySelector("[data-one]").hidden = each;
  form.elements.name.required = !each;
  waiting = each ? [...groups] : [{ name: null, files: groups.all }];
  look();
}

const many = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
const linked = (slide) => Object.assign(document.createElement("a"), { href: `/slides/${slide.id}`, target: "_blank", rel: "noopener", textContent: slide.name });
const onOther = (n) => `${n.toLocaleString("en")} of these photographs ${n === 1 ? "is" : "are"} on the slide `;
const state = (slide) => (slide.signed ? " (signed)" : "");

/** What is there already is told; whoever wants to goes on. */
let looking = 0;
async function look() {
  const note = document.querySelector("#new-slide [data-alike]"), form = note.closest("form");
  const mine = (looking += 1);
  await new Promise((resolve) => { setTimeout(resolve, 250); });
  if (mine !== looking || !note.closest("dialog").open) return;
  const asked = waiting.slice(0, 20).map((one) => one.name ?? form.elements.name.value.trim()).filter(Boolean);
  const accession = waiting[0]?.name === null ? form.elements.accession.value.trim() : "";
  const answers = await Promise.all([
    ...asked.map((name) => ask("POST", "/api/v1/slides/alike", { name, accession: accession || null }, { stay: true }).catch(() => null)),
    groups.hashes ? ask("POST", "/api/v1/slides/alike", { images: groups.hashes.slice(0, 20000) }, { stay: true }).catch(() => null) : null,
  ]);
  if (mine !== looking) return;
  const said = [];
  for (const answer of answers.filter(Boolean)) {
    const [slide, ...more] = answer.named.toSorted((a, b) => b.signed - a.signed);
    if (slide) said.push(["There is a slide ", linked(slide), `${state(slide)} already${more.length ? `, and ${more.length} more of this name` : ""}.`]);
    for (const other of answer.of_accession) said.push([`The accession ${accession} is that of the slide `, linked(other), `${state(other)}: a receiver would replace its result with this one.`]);
    for (const held of answer.photographs) said.push([onOther(held.photographs), linked(held.slide), `${state(held.slide)} already.`]);
  }
  note.hidden = !said.length;
  note.replaceChildren(...said.slice(0, 8).map((words) => { const line = document.createElement("p"); line.append(...words); return line; }));
}

async function start(event) {
  event.preventDefault();
  const form = event.target, fault = form.querySelector("[data-fault]"), button = form.querySelector("[type=submit]");
  const { note, two, name, wbc, collected } = form.elements;
  const common = { note: note.value, readings_wanted: two.checked ? 2 : 1 };
  const known = { specimen: null, subject: null, accession: null };
  for (const key of Object.keys(known)) known[key] = form.elements[key].value.trim() || null;
  if (wbc.value !== "") known.wbc = Number(wbc.value);
  if (collected.value) known.collected = momentOf(collected.value);
  button.disabled = true;
  try {
    while (waiting.length) {
      const one = waiting[0];
      const slide = await ask("POST", "/api/v1/slides", one.name === null ? { ...common, ...known, name: name.value } : { ...common, name: one.name });
      await enqueue(slide, one.files, { fresh: true });
      waiting.shift();
    }
    form.closest("dialog").close();
    form.reset();
  } catch (error) {
    fault.textContent = wordsOf(error);
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
    Object.assign(one, { bar, said, discard, go });
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
    one.said.textContent = upload.words || (upload.state === "waiting" && !upload.sent ? "Waiting to be sent" : `Uploading: ${upload.sent.toLocaleString("en")} of ${many(upload.total, "file")}`);
  }
  one.go.hidden = Boolean(upload.nothing);
  one.discard.hidden = !(upload.state === "failed" || upload.words?.startsWith("Waiting"));
  told(one, upload);
  if (upload.added || upload.state === "done") watch(upload, one);
}

function told(one, upload) {
  const troubles = [...upload.refused, ...upload.skipped];
  one.querySelectorAll("details, .alike").forEach((old) => old.remove());
  for (const words of alike(upload)) {
    const line = Object.assign(document.createElement("p"), { className: "alike" });
    line.append(...words);
    one.append(line);
  }
  if (!troubles.length) return;
  const details = document.createElement("details");
  details.append(Object.assign(document.createElement("summary"), { textContent: `${upload.refused.length ? `${upload.refused.length} not taken` : ""}${upload.refused.length && upload.skipped.length ? ", " : ""}${upload.skipped.length ? `${upload.skipped.length} skipped` : ""}` }));
  const items = document.createElement("ul");
  items.append(...troubles.slice(0, 200).map((trouble) => Object.assign(document.createElement("li"), { textContent: `${trouble.name}: ${trouble.reason}` })));
  details.append(items);
  one.append(details);
}

function alike(upload) {
  const said = (upload.elsewhere ?? []).map(({ slide, photographs }) => [onOther(photographs), linked(slide), `${state(slide)} already.`]);
  if (upload.folders?.length > 1) said.push([`The archive held ${upload.folders.length} folders (${upload.folders.slice(0, 6).map((folder) => folder || "none").join(", ")}${upload.folders.length > 6 ? " …" : ""}): all of them are on this slide. If they are not of one slide, take photographs out on its page “About”.`]);
  return said;
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
      one.said.textContent = progress.state === "analysing" ? `Analysing: ${progress.done.toLocaleString("en")} of ${many(progress.fields, "photograph")}, ${many(progress.cells, "cell")} so far` : `${many(progress.fields, "photograph")} analysed, ${many(progress.cells, "cell")}${progress.failed ? `, ${progress.failed} failed` : ""}`;
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
  const form = document.getElementById("new-slide")?.querySelector("form");
  form?.addEventListener("submit", start);
  for (const radio of form?.elements.each ?? []) radio.addEventListener("change", apart);
  for (const name of ["name", "accession"]) form?.elements[name].addEventListener("input", look);
}

// A photograph that does not belong is taken out on the slide's own page.
const taking = document.getElementById("take-out");
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-take-out]");
  if (!button || !taking) return;
  taking.dataset.field = button.dataset.takeOut;
  taking.querySelector("[data-which]").textContent = `${button.dataset.number}, ${button.dataset.name}`;
  taking.querySelector("[data-fault]").hidden = true;
  taking.showModal();
});
taking?.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, fault = form.querySelector("[data-fault]");
  try {
    await ask("DELETE", `/api/v1/fields/${taking.dataset.field}?reason=${encodeURIComponent(form.elements.reason.value)}`);
    location.reload();
  } catch (error) { fault.textContent = wordsOf(error); fault.hidden = false; }
});

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
