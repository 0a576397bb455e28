// Requests to our own API: JSON, the session's token, problems as errors.
import { Store } from "./store.js";
import { go, route } from "./router.js";

export const session = new Store(null);
const PATIENCE_MS = 20000;
// How far the server's clock is ahead of ours, in seconds.
export const skew = new Store(0);

export class ApiError extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.kind = (problem.type || "").split(":").pop();
    this.retryAfter = 0;
  }
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ detail: "the web server that this page is from does not answer" }, 0);
  }
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = { detail: text.slice(0, 300) };
  }
  if (response.ok) return body;
  if (response.status === 401 && !path.startsWith("api/session")) toSignIn();
  throw new ApiError(body || {}, response.status);
}

export function get(path, signal) {
  const signals = [signal, AbortSignal.timeout(PATIENCE_MS)].filter(Boolean);
  return send(path, { signal: AbortSignal.any(signals) });
}

export async function loadSession() {
  const found = await get("api/session");
  if (found.now) skew.set(found.now - Date.now() / 1000);
  session.set(found);
  return found;
}

export async function act(path, body = {}, method = "POST") {
  try {
    return await once(path, body, method);
  } catch (error) {
    // The token is of a session that was begun anew, in another tab perhaps.
    if (error.status !== 403 || !/csrf/i.test(error.kind + error.message)) throw error;
    await loadSession();
    return once(path, body, method);
  }
}

function once(path, body, method) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": session.value?.csrf ?? "" };
  return send(path, { method, headers, body: method === "DELETE" ? undefined : JSON.stringify(body) });
}

export function toSignIn() {
  if (route.value.path === "sign-in") return;
  const next = `${route.value.path}${route.value.search}`;
  session.set(null);
  go(`sign-in${next ? `?next=${encodeURIComponent(next)}` : ""}`, { replace: true });
}

export const serverNow = () => Date.now() / 1000 + skew.value;
