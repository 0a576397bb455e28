// The view library, in one place: html`` makes elements, the hooks give components state.
import { h, render, Fragment } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { h, render, Fragment };
export { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback } from "./vendor/preact-hooks.js";
export const html = htm.bind(h);
