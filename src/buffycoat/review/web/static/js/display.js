// How large and how bright cells are shown. Only the showing changes; the sizes last from slide to slide, the light does not.

export class Display {
  constructor(desk, root) {
    this.desk = desk;
    this.size = root.querySelector("[name=size]");
    this.light = root.querySelector("[name=brightness]");
    this.contrast = root.querySelector("[name=contrast]");
    this.reset = root.querySelector("[data-reset]");
    let stored = null;
    try { stored = Number(localStorage.getItem("buffycoat.size")); } catch { /* the default size stands */ }
    const usual = innerWidth < 640 ? 76 : 92;
    this.size.value = stored || usual;
    desk.wells.setSize(Number(this.size.value));
    this.size.addEventListener("input", () => this.resize());
    for (const one of [this.light, this.contrast]) one.addEventListener("input", () => this.tint());
    this.reset.addEventListener("click", () => { this.light.value = 100; this.contrast.value = 100; this.tint(); });
    this.tint();
  }

  step(by) {
    this.size.value = Number(this.size.value) + by * 12;
    this.resize();
    return true;
  }

  resize() {
    this.desk.wells.setSize(Number(this.size.value));
    try { localStorage.setItem("buffycoat.size", this.size.value); } catch { /* not kept */ }
  }

  tint() {
    const changed = this.light.value !== "100" || this.contrast.value !== "100";
    const filter = changed ? `brightness(${this.light.value}%) contrast(${this.contrast.value}%)` : "none";
    document.documentElement.style.setProperty("--light", filter);
    this.reset.disabled = !changed;
    this.reset.classList.toggle("altered", changed);
  }
}
