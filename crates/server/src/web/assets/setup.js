// The set-up link carries its token behind `#`, where no server and no log sees it.
const field = document.querySelector("[data-from-link]");
if (field && location.hash.length > 1) {
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}
