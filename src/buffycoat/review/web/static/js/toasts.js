// Short words at the foot of the page. They never move anything else.

let box;

function place() {
  box ??= Object.assign(document.createElement("div"), { className: "toasts" });
  box.setAttribute("role", "status");
  box.setAttribute("aria-live", "polite");
  // Inside an open dialog, or the dialog would cover it.
  const home = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (box.parentElement !== home) home.append(box);
  return box;
}

export function toast(words, { action, onAction, bad = false, seconds = 5 } = {}) {
  const one = document.createElement("div");
  one.className = bad ? "toast bad" : "toast";
  one.append(Object.assign(document.createElement("span"), { textContent: words }));
  if (action) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: action });
    button.addEventListener("click", () => { one.remove(); onAction(); });
    one.append(button);
  }
  place().replaceChildren(one);
  if (seconds) setTimeout(() => one.remove(), seconds * 1000);
  return one;
}

let live;

/** Say something to a screen reader alone. */
export function whisper(words) {
  if (!live) {
    live = Object.assign(document.createElement("div"), { className: "visually-hidden" });
    live.setAttribute("aria-live", "polite");
    live.setAttribute("role", "status");
    document.body.append(live);
  }
  live.textContent = words;
}
