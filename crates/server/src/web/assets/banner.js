// Without https a browser keeps no login and lends no clipboard.
const banner = document.getElementById("insecure");
if (banner && !isSecureContext) banner.hidden = false;
