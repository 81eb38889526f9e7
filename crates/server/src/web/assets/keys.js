// Keyboard: `/` search, `g` then a letter to go, `j` and `k` rows, `Enter` open, `x` select, `c` copy, `e` edit, `?` the list.
// One switch in "Your account" turns all of them off (WCAG 2.1.4).
const PLACES = { o: "/", r: "/records", c: "/conflicts", p: "/runs" };
let going = false;
const rows = () => [...document.querySelectorAll("[data-row]")];
const at = () => rows().findIndex((row) => row.contains(document.activeElement));
const step = (by) => {
  const all = rows();
  all[Math.max(0, Math.min(all.length - 1, at() + by))]?.querySelector("a")?.focus();
};
const press = (selector) => document.querySelector(selector)?.click();
const ACTS = {
  "/": () => document.getElementById("q")?.focus(),
  j: () => step(1),
  k: () => step(-1),
  x: () => rows()[at()]?.querySelector("input[type=checkbox]")?.click(),
  c: () => press("[data-act=copy]"),
  e: () => press("[data-act=edit]"),
  "?": () => document.getElementById("keys")?.showModal(),
};
if (document.documentElement.dataset.keys !== "off") {
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (going) {
      going = false;
      if (PLACES[event.key]) location.assign(PLACES[event.key]);
      return;
    }
    if (event.key === "g") return void (going = true);
    const act = ACTS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
