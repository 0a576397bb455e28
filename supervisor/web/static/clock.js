// One tick a second for all that shows an age.
import { serverNow } from "./api.js";
import { Store, useStore } from "./store.js";

const tick = new Store(serverNow());
setInterval(() => {
  if (!document.hidden) tick.set(serverNow());
}, 1000);
document.addEventListener("visibilitychange", () => tick.set(serverNow()));

export function useNow() {
  return useStore(tick);
}
