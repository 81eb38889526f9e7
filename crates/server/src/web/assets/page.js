// The one script that pages load. Each part looks for its own marks in the page, and does nothing without them.
import "./banner.js";
import "./choices.js";
import "./focus.js";
import "./generate.js";
import "./keys.js";
import "./live.js";
import "./otp.js";
import "./passkey.js";
import "./place.js";
import "./secret.js";
import "./setup.js";
import "./ticks.js";
import "./unsaved.js";
