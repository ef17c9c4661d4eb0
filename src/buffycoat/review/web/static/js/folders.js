// The folder a photograph lies in is its slide, as the command has it: two folders may be two patients.

const TEXT = /\.(csv|docx?|html?|ini|json|log|md|odt|pdf|rtf|toml|tsv|txt|xlsx?|xml|ya?ml)$/i;
const ASIDE = /^(\.|thumbs\.db$|desktop\.ini$|__macosx$|@eadir$|lost\+found$)/i;
const MOST_DIRECTORY = 64 << 20;

/** Whether a file may be a photograph, or hold some: all but what is plainly text. What it is called decides no more. */
export const mayBePhotograph = (name) => !TEXT.test(name);

/** The folder that a path leads to, as its parts with slashes between; "" where there is none. */
export const folderOf = (path) => path.replaceAll("\\", "/").split("/").slice(0, -1).filter((part) => part && part !== ".").join("/");

/** What was chosen, by folder: a list of { folder, files }; an archive of several folders stands in each of them. */
export async function byFolder(chosen) {
  const found = new Map();
  const put = (folder, one, n) => {
    if (!found.has(folder)) found.set(folder, { folder, files: [], photographs: 0 });
    found.get(folder).files.push(one);
    found.get(folder).photographs += n;
  };
  for (const one of chosen.filter(({ name }) => mayBePhotograph(name))) {
    const inside = /\.zip$/i.test(one.name) ? await zipFolders(one.file).catch(() => null) : null;
    const lies = folderOf(one.name);
    if (!inside || inside.size < 2) { put(lies, one, inside?.values().next().value ?? 1); continue; }
    for (const [folder, n] of inside) put([lies, folder].filter(Boolean).join("/"), { ...one, folder }, n);
  }
  return [...found.values()].sort((a, b) => a.folder.localeCompare(b.folder, "en", { numeric: true }));
}

/** A name for each folder: its own, with as much of where it lies as tells it from the others. */
export function namesOf(folders, loose) {
  const parts = folders.map((folder) => (folder ? folder.split("/") : [loose]));
  return parts.map((own, at) => {
    for (let n = 1; n < own.length; n += 1) {
      const name = own.slice(-n).join("/");
      if (parts.every((other, k) => k === at || other.slice(-n).join("/") !== name)) return name.slice(-200);
    }
    return own.join("/").slice(-200);
  });
}

/** How many photographs lie in each folder of a zip, from its directory; null where that cannot be told. */
async function zipFolders(file) {
  const tail = new DataView(await file.slice(-65557).arrayBuffer());
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) return null;
  const size = tail.getUint32(end + 12, true), start = tail.getUint32(end + 16, true);
  if (size > MOST_DIRECTORY || start === 0xffffffff) return null;
  const bytes = await file.slice(start, start + size).arrayBuffer();
  const view = new DataView(bytes), found = new Map();
  for (let at = 0; at < size;) {
    if (at + 46 > bytes.byteLength || view.getUint32(at, true) !== 0x02014b50) return null;
    const utf8 = view.getUint16(at + 8, true) & 0x800, length = view.getUint16(at + 28, true);
    const raw = new Uint8Array(bytes, at + 46, length);
    if (!utf8 && raw.some((byte) => byte > 127)) return null; // in letters of its own, which the server knows
    const name = new TextDecoder().decode(raw).replaceAll("\\", "/");
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (name.endsWith("/") || name.split("/").some((part) => ASIDE.test(part)) || !mayBePhotograph(name)) continue;
    found.set(folderOf(name), (found.get(folderOf(name)) ?? 0) + 1);
  }
  return found;
}

/** SHA-256 of photographs, by which the server knows them; null where the browser has no means, or they are too many. */
export async function hashesOf(files, most = 1 << 30) {
  if (!globalThis.crypto?.subtle || files.reduce((sum, one) => sum + one.file.size, 0) > most) return null;
  const found = [];
  for (const { file } of files) {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    found.push(Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return found;
}
