// What the page asks the API for: figures, and the stream that says when they changed.

const KEY = "peyvand.token";

export class SignedOut extends Error {}

export class Refused extends Error {}

/** The token of this tab: from the address's fragment, which is then taken out of it, or as typed before. */
export function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

export const keepToken = (given) => sessionStorage.setItem(KEY, given.trim());
export const forgetToken = () => sessionStorage.removeItem(KEY);

async function get(path, params, init = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value));
  const headers = {
    Authorization: `Bearer ${token() ?? ""}`,
    "Accept-Language": document.documentElement.lang,
  };
  const reply = await fetch(`/v1/metrics${path}?${query}`, { headers, ...init });
  if (reply.status === 401 || reply.status === 403) throw new SignedOut();
  if (!reply.ok) throw new Refused((await reply.json()).detail);
  return reply;
}

export const read = async (path, params = {}) => (await get(path, params)).json();

/** Call `changed` for each event of the stream, until `signal` aborts or the connection ends. */
export async function follow(changed, signal) {
  const reply = await get("/stream", {}, { signal });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const frames = (pending + value).split("\n\n");
    pending = frames.pop();
    if (frames.some((frame) => frame.includes("event: figures"))) changed();
  }
}
