// The set-up link carries its token behind `#`, where no server and no log sees it.
const field = document.querySelector("[data-from-link]");
if (field && location.hash.length > 1) {
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  if (field.dataset.fromLink) field.form.requestSubmit();
}
// The time of this device goes with a code, so that the answer to a wrong one can say how far the two clocks differ.
const clock = document.querySelector("[data-clock]");
clock?.form.addEventListener("submit", () => (clock.value = Date.now()));
