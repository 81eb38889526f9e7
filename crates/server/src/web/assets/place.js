// Says, while the path is typed, where the record will be written.
const line = document.querySelector("[data-place]");
const path = document.getElementById("path");
if (line && path) {
  const shelf = document.getElementById("collection");
  const tell = () => {
    const below = shelf ? shelf.selectedOptions[0]?.dataset.below : line.dataset.place;
    if (below === undefined || below === "") line.textContent = "No connection writes this collection to a Vault.";
    else line.textContent = `Will be written to ${below}/${path.value.trim() || "…"} at the next run.`;
  };
  for (const one of [path, shelf]) one?.addEventListener("input", tell);
  tell();
}
