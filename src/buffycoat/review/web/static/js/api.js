// Talking with the server: JSON in, JSON out, every refusal as a Fault with a title and a sentence.

export class Fault extends Error {
  constructor(status, title, detail, body = {}, retryAfter = 0) {
    super(detail || title);
    Object.assign(this, { status, title, detail, body, retryAfter });
  }
  /** Nothing was said by the server: the line is down, or the server is. */
  get lost() { return this.status === 0; }
}

const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

export async function faultOf(response) {
  const body = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After")) || 0;
  return new Fault(response.status, body.title ?? `Error ${response.status}`, body.detail ?? response.statusText, body, wait);
}

/** Ask the server; returns the document answered (null when there is none). Who is not signed in is sent there, unless it may `stay`. */
export async function ask(method, path, body, { signal, stay = false } = {}) {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrf() };
  if (body !== undefined && !(body instanceof FormData)) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method, headers, signal, credentials: "same-origin",
      body: body === undefined || body instanceof FormData ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Fault(0, "No connection", "The server did not answer.");
  }
  if (response.status === 401 && !stay && location.pathname !== "/login") {
    location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  }
  if (!response.ok) throw await faultOf(response);
  return response.status === 204 ? null : response.json();
}

/** The session is over, or another window signed in: nothing is wrong with what was asked. */
export const isAway = (fault) => fault.status === 401 || (fault.status === 403 && fault.title === "Not from this page");

/** Whether whoever opened this page is signed in (again), in any window; takes over the token of the day. */
export async function isBack() {
  const me = await ask("GET", "/api/v1/me", undefined, { stay: true }).catch(() => null);
  if (!me || (me.person?.id ?? "") !== (document.querySelector('meta[name="account"]')?.content ?? "")) return false;
  document.querySelector('meta[name="csrf-token"]').content = me.csrf;
  return true;
}

/** A name for one action of a person: repeated when the same action is sent again. */
export const requestId = () =>
  globalThis.crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

/** A refusal in words, with what to do about it. */
export const wordsOf = (fault) => [fault.detail || fault.message, fault.body?.hint].filter(Boolean).join(" ");

/** What stands in a field of date and time, as ISO 8601 with the zone of this clock at that time. */
export function momentOf(value) {
  const minutes = -new Date(value).getTimezoneOffset(), size = Math.abs(minutes);
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return `${value}${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
}
