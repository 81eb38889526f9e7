// Says, while the path is typed, where the record will be written.
const [line, path, shelf] = ["[data-place]", "#path", "#collection"].map((mark) => document.querySelector(mark));
addEventListener("input", () => {
  const below = line && (shelf ? shelf.selectedOptions[0]?.dataset.below : line.dataset.place);
  if (line) line.textContent = below ? `Will be written to ${below}/${path.value.trim() || "…"} at the next run.` : "No connection writes this collection to a Vault.";
});
