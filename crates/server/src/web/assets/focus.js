// A new page begins at its heading, unless the page names another place or the address does.
if (!location.hash && !document.querySelector("[autofocus]")) document.querySelector("h1")?.focus({ preventScroll: true });
