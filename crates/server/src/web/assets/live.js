// A run as it happens. One stream while the page is visible: six open streams would block a seventh tab over
// HTTP/1.1. The server sends what was missed, so a reload or another tab loses nothing.
const place = document.querySelector("[data-run]");
if (place) {
  const [bar, line, log] = ["progress", "[role=status]", "[data-log]"].map((name) => document.querySelector(name));
  let source;
  let last = "0";
  const add = (path, words, kind) => {
    const row = document.createElement("li");
    const name = document.createElement("code");
    name.textContent = path || "the whole run";
    row.className = kind;
    row.append(name, ` ${words}`);
    log.prepend(row);
    while (log.children.length > 200) log.lastElementChild.remove();
  };
  const follow = () => {
    source = new EventSource(`${place.dataset.run}?after=${last}`);
    const on = (name, then) =>
      source.addEventListener(name, (event) => {
        last = event.lastEventId;
        then(JSON.parse(event.data));
      });
    on("progress", ({ done, total, words }) => {
      bar.max = total || 1;
      bar.value = done;
      line.textContent = words;
    });
    on("step", ({ path, words }) => add(path, words, "step"));
    on("problem", ({ path, words }) => add(path, words, "problem"));
    on("finished", () => location.reload());
    source.onerror = () => (line.textContent = "The connection to the server broke off; trying again.");
  };
  const visible = () => (document.hidden ? source?.close() : follow());
  document.addEventListener("visibilitychange", visible);
  visible();
}
