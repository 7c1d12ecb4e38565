// Calls to the server that this page came from.

/** What went wrong with a request, as the server said it. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const TOKEN_KEY = "backpropd-token";

/** @param {string} token kept until the tab is closed */
export function signIn(token) {
  sessionStorage.setItem(TOKEN_KEY, token.trim());
}

export function signOut() {
  sessionStorage.removeItem(TOKEN_KEY);
}

export function isSignedIn() {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

/**
 * @param {string} path
 * @param {string} [method]
 * @returns {Promise<any>} the answer's JSON
 */
export async function call(path, method = "GET") {
  /** @type {Record<string, string>} */
  const headers = {};
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token)
    headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { method, headers });
  } catch {
    throw new Problem(0, "The server does not answer.");
  }
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem(answer.status, "The server's answer cannot be read.");
  }
  if (!answer.ok)
    throw new Problem(answer.status, body?.detail ?? answer.statusText);
  return body;
}

/**
 * Saves a file that may need the token, which a plain link could not send.
 * @param {string} path
 * @param {string} name
 */
export async function save(path, name) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const answer = await fetch(path, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
  if (!answer.ok)
    throw new Problem(answer.status, "The file cannot be had.");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
