// The live figures, by server-sent events; and how fresh they are, which a page always says.
import { get, loadSession, serverNow, session, skew, toSignIn } from "./api.js";
import { record } from "./history.js";
import { Store } from "./store.js";

const SILENT_SECONDS = 6; // a figure comes each second; under WSGI every two
const AGAIN_MS = 2000;

// The latest of a supervisor that answered, even when it is gone since.
export const overview = new Store(null);
export const workers = new Store(null);
// mode: connecting, live, away (the supervisor), lost (the web server), paused (by the reader)
export const fresh = new Store({ mode: "connecting", since: serverNow(), reason: "" });

let source = null;
let heard = 0;
let again = 0;

function say(mode, reason = "") {
  const before = fresh.value;
  if (before.mode === mode && before.reason === reason) return;
  const since = before.mode === mode ? before.since : mode === "live" ? serverNow() : (overview.value?.at ?? serverNow());
  fresh.set({ mode, reason, since });
}

function take(event) {
  heard = performance.now();
  const found = JSON.parse(event.data);
  skew.set(found.at - Date.now() / 1000);
  if (found.live) {
    overview.set(found);
    record(found);
    say("live");
  } else {
    overview.set(overview.value ?? found);
    say("away", found.reason);
  }
}

function open() {
  close();
  if (fresh.value.mode === "paused" || document.hidden || session.value?.role == null) return;
  heard = performance.now();
  source = new EventSource("api/events");
  source.addEventListener("overview", take);
  source.addEventListener("workers", (event) => {
    const found = JSON.parse(event.data);
    if (found.live) workers.set(found.workers);
  });
  source.onerror = () => {
    // Under WSGI each stream ends after what is new; elsewhere only when something broke.
    if (session.value?.streams) say("lost", "the stream of figures is broken off");
    if (source?.readyState === EventSource.CLOSED) retry();
  };
}

function close() {
  clearTimeout(again);
  again = 0;
  source?.close();
  source = null;
}

function retry() {
  close();
  again = setTimeout(async () => {
    heard = performance.now();
    try {
      const found = await loadSession();
      if (found.role == null) toSignIn();
    } catch {
      say("lost", "the web server that this page is from does not answer");
    }
    open();
  }, AGAIN_MS);
}

function watch() {
  if (fresh.value.mode === "paused" || document.hidden || session.value?.role == null) return;
  if ((performance.now() - heard) / 1000 < SILENT_SECONDS) return;
  say("lost", "the stream of figures is broken off");
  if (!again) retry(); // one that is on its way is not begun anew
}

export function pause() {
  close();
  say("paused");
}

export function resume() {
  fresh.set({ mode: "connecting", since: serverNow(), reason: "" });
  open();
}

// A look at once, after something was changed.
export async function lookNow() {
  try {
    const [figures, found] = await Promise.all([get("api/overview"), get("api/workers")]);
    if (figures.live) overview.set(figures);
    workers.set(found.workers);
  } catch {
    // The stream tells of it.
  }
}

export function startStream() {
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  session.watch((found) => (found?.role ? source || open() : close()));
  setInterval(watch, 1000);
  open();
}
