// Before anything is painted, so that a page never flashes in the other theme. No module: those run late.
(() => {
  try {
    const chosen = localStorage.getItem("supervisor.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is forbidden here: the system's theme it is.
  }
})();
