// Where the daemon wants a token, the page asks for it once; it is kept for this tab alone.
import { element } from "./dom.js";

const KEY = "ecgmon-token";
let asking = null;

export function headers() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Fetches JSON of the API; throws an Error with the problem's detail. */
export async function api(path) {
  const response = await fetch(path, { headers: headers(), cache: "no-store" });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? response.statusText);
  return body;
}

/** The token was refused or is missing: ask for it, then `again`. */
export function refused(again) {
  if (asking) return;
  const input = element("input", { type: "password", autocomplete: "off", "aria-label": "Token" });
  const form = element("form", { method: "dialog" }, [
    element("h2", {}, "This daemon asks for a token"),
    element("p", { class: "note" }, "Its operator set http.token_file or http.token_env. It is kept for this tab only."),
    input,
    element("button", { type: "submit" }, "Look"),
  ]);
  asking = element("dialog", {}, [form]);
  asking.addEventListener("close", () => {
    asking.remove();
    asking = null;
    const token = input.value.trim();
    if (/^[\x21-\x7e]+$/.test(token)) sessionStorage.setItem(KEY, token); // else no header could carry it
    again();
  });
  document.body.append(asking);
  asking.showModal();
}
