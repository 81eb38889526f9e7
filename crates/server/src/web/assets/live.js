// A run as it happens. One stream while the page is visible: six open streams would block a seventh tab over
// HTTP/1.1. The server sends what was missed, so a reload or another tab loses nothing.
const place = document.querySelector("[data-run]");
if (place) {
  const [bar, line, log] = ["progress", "[role=status]", "[data-log]"].map((name) => document.querySelector(name));
  let [source, last] = [null, "0"];
  const add = (path, words, kind) => {
    const row = Object.assign(document.createElement("li"), { className: kind });
    const name = Object.assign(document.createElement("code"), { textContent: path || "the whole run" });
    row.append(name, ` ${words}`);
    log.prepend(row);
    while (log.children.length > 200) log.lastElementChild.remove();
  };
  const follow = () => {
    source = new EventSource(`${place.dataset.run}?after=${last}`);
    const on = (name, then) =>
      source.addEventListener(name, ({ lastEventId, data }) => {
        last = lastEventId;
        then(JSON.parse(data));
      });
    on("progress", ({ done, total, words }) => {
      [bar.max, bar.value, line.textContent] = [total || 1, done, words];
    });
    on("step", ({ path, words }) => add(path, words, "step"));
    on("problem", ({ path, words }) => add(path, words, "problem"));
    on("finished", () => location.reload());
    on("continued", ({ page }) => location.assign(page));
    source.onerror = () => {
      line.textContent = "The connection to the server broke off; trying again.";
      // A browser gives up for good where it got an answer that is no stream, as from a server that starts.
      if (source.readyState === EventSource.CLOSED) setTimeout(visible, 3000);
    };
  };
  const visible = () => (source?.close(), document.hidden || follow());
  document.addEventListener("visibilitychange", visible);
  visible();
}
