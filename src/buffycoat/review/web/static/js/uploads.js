// Photographs on their way to the desk. They are kept in the browser until the server has them, so that an upload
// goes on where it stopped: on another page of the desk, or when the desk is opened again. Whoever put them here sends
// them: on a page where nobody, or somebody else, is signed in they wait.
import { Fault, ask, requestId } from "./api.js";

const BATCH_FILES = 8, BATCH_BYTES = 16 << 20, LOCK = "buffycoat-upload", TRIES = 6;
const account = document.querySelector('meta[name="account"]')?.content ?? "";
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("buffycoat-uploads") : null;
const memory = { uploads: new Map(), files: [] }; // where the browser stores nothing
const STAY = "This browser has no room to keep them: leave this page open until all are sent.";
window.addEventListener("beforeunload", (event) => { if (memory.files.length) event.preventDefault(); });

const asked = (request) => new Promise((resolve, reject) => { request.onsuccess = () => resolve(request.result); request.onerror = () => reject(request.error); });

let opening;
function database() {
  opening ??= new Promise((resolve) => {
    let request;
    try { request = indexedDB.open("buffycoat", 1); } catch { resolve(null); return; }
    request.onupgradeneeded = () => {
      request.result.createObjectStore("uploads", { keyPath: "id" });
      request.result.createObjectStore("files", { autoIncrement: true, keyPath: "key" }).createIndex("upload", "upload");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  });
  return opening;
}

async function store(name, mode = "readonly") {
  const db = await database();
  return db?.transaction(name, mode).objectStore(name) ?? null;
}

/** The uploads of whoever is signed in on this page. */
export async function uploads() {
  const kept = account ? await store("uploads") : null;
  return [...(kept ? await asked(kept.getAll()) : []), ...memory.uploads.values()].filter((one) => one.account === account);
}

/** The upload and all its files, or nothing: half of one would pass for the whole when it is sent from another page. */
async function keepAll(upload, files) {
  const db = await database();
  if (!db) throw new Error("nothing can be stored");
  const writing = db.transaction(["uploads", "files"], "readwrite");
  const over = new Promise((resolve, reject) => { writing.oncomplete = resolve; writing.onabort = () => reject(writing.error); });
  writing.objectStore("uploads").put(upload);
  const kept = writing.objectStore("files");
  for (const { file, name, folder } of files) kept.add({ upload: upload.id, name, folder, blob: file });
  await over;
}

async function keep(upload) {
  if (memory.uploads.has(upload.id)) memory.uploads.set(upload.id, upload);
  else { const kept = await store("uploads", "readwrite"); if (kept) await asked(kept.put(upload)); }
  tell(upload);
}

export async function forget(id) {
  memory.uploads.delete(id);
  memory.files = memory.files.filter((one) => one.upload !== id);
  const kept = await store("uploads", "readwrite");
  if (kept) await asked(kept.delete(id));
  for (const one of await filesOf(id, 100000)) await drop(one);
}

async function filesOf(id, most) {
  if (memory.uploads.has(id)) return memory.files.filter((one) => one.upload === id).slice(0, most);
  const kept = await store("files");
  return kept ? asked(kept.index("upload").getAll(id, most)) : [];
}

async function drop(file) {
  if (file.key === undefined) { memory.files = memory.files.filter((one) => one !== file); return; }
  const kept = await store("files", "readwrite");
  if (kept) await asked(kept.delete(file.key));
}

/** Put files in the line for a slide. */
export async function enqueue(slide, files, { fresh = false } = {}) {
  const upload = { id: requestId(), account, slide: slide.id, name: slide.name, fresh, total: files.length, sent: 0, added: 0, skipped: [], refused: [], elsewhere: [], folders: [], state: "waiting", at: Date.now() };
  try {
    await keepAll(upload, files);
    tell(upload);
  } catch { // no room in the browser's store, or none at all: they are sent as long as this page is open
    Object.assign(upload, { inMemory: true, words: STAY });
    memory.uploads.set(upload.id, upload);
    memory.files.push(...files.map(({ file, name, folder }) => ({ upload: upload.id, name, folder, blob: file })));
    tell(upload);
  }
  run();
  return upload;
}

const listeners = new Set();
export const listen = (act) => listeners.add(act);
function tell(upload) {
  for (const act of listeners) act(upload);
  channel?.postMessage(upload);
}
channel?.addEventListener("message", (event) => { if (event.data.account === account) for (const act of listeners) act(event.data); });

/** Send what waits; one page of the desk does it, the others look on. */
export async function run() {
  if (!account) return;
  const open = (await uploads()).filter((one) => one.state !== "done" && one.state !== "failed");
  if (!open.length) return;
  if (!navigator.locks) { await work(); return; }
  await navigator.locks.request(LOCK, work);
}

async function work() {
  for (const upload of await uploads()) {
    if (upload.state === "done" || upload.state === "failed") continue;
    await send({ ...upload });
  }
}

function waits(fault) {
  if (fault.status === 401) return "Waiting: sign in again, and it goes on.";
  if (fault.status === 403) return fault.title === "Not from this page" ? "Waiting: load this page again, and it goes on." : `Waiting: ${fault.detail}`;
  return "Waiting: the server has a defect. The photographs are kept here; load this page again to go on.";
}

async function send(upload) {
  let tries = 0;
  for (;;) {
    const waiting = await filesOf(upload.id, BATCH_FILES);
    if (!waiting.length) break;
    const batch = [];
    let bytes = 0;
    for (const one of waiting) {
      if (batch.length && (bytes + one.blob.size > BATCH_BYTES || one.folder !== batch[0].folder)) break;
      batch.push(one);
      bytes += one.blob.size;
    }
    upload.state = "sending";
    tell(upload);
    const form = new FormData();
    for (const one of batch) form.append("files", one.blob, one.name);
    try {
      const { folder } = batch[0]; // of an archive, only what lies in it
      const only = folder === undefined ? "" : `?folder=${encodeURIComponent(folder)}`;
      const answer = await ask("POST", `/api/v1/slides/${upload.slide}/fields${only}`, form, { stay: true });
      upload.added += answer.added.length;
      upload.skipped.push(...answer.skipped);
      upload.refused.push(...answer.refused);
      upload.elsewhere = joined(upload.elsewhere ?? [], answer.elsewhere);
      if (folder === undefined) upload.folders = [...new Set([...(upload.folders ?? []), ...answer.folders])];
      tries = 0;
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      const busy = fault.lost || fault.status === 429 || fault.status === 503;
      tries += 1;
      if (busy || (fault.status >= 500 && tries < TRIES)) {
        upload.state = "waiting";
        upload.words = fault.lost ? "The server does not answer; trying again." : "The server is busy; going on in a moment.";
        tell(upload);
        await new Promise((resolve) => { setTimeout(resolve, 1000 * Math.min(30, fault.retryAfter || 2 ** Math.min(tries, 5))); });
        continue;
      }
      if (fault.status === 401 || fault.status === 403 || fault.status >= 500) { // nothing is wrong with the photographs
        upload.state = "waiting";
        upload.words = waits(fault);
        await keep(upload);
        return;
      }
      if (fault.status === 404 || fault.status === 409) { // the slide is gone, or signed: they have no place any more
        upload.state = "failed";
        upload.words = fault.detail;
        await keep(upload);
        for (const one of await filesOf(upload.id, 100000)) await drop(one);
        return;
      }
      const refused = fault.body?.refused?.length ? fault.body.refused : batch.map((one) => ({ name: one.name, reason: fault.detail }));
      upload.refused.push(...refused);
    }
    for (const one of batch) await drop(one);
    upload.sent += batch.length;
    upload.words = upload.inMemory ? STAY : "";
    await keep(upload);
  }
  if (upload.fresh && !upload.added && !upload.skipped.length && (await unmade(upload))) {
    Object.assign(upload, { state: "failed", nothing: true, words: "No photograph could be used: no slide was made." });
  } else Object.assign(upload, { state: "done", words: "" });
  await keep(upload);
}

/** A slide of nothing is none: it is taken away again, unless somebody put photographs on it meanwhile. */
async function unmade(upload) {
  const path = `/api/v1/slides/${upload.slide}`;
  const slide = await ask("GET", path, undefined, { stay: true }).catch(() => null);
  if (!slide || slide.fields) return false;
  return ask("DELETE", `${path}?reason=${encodeURIComponent("no photograph of it could be used")}`, undefined, { stay: true }).then(() => true, () => false);
}

/** How many photographs lie on which other slide, over several answers. */
function joined(known, further) {
  const found = new Map(known.map((one) => [one.slide.id, one]));
  for (const one of further) found.set(one.slide.id, { ...one, photographs: one.photographs + (found.get(one.slide.id)?.photographs ?? 0) });
  return [...found.values()];
}

run();
