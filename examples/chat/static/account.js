// The endpoints of the server. A refusal is thrown in the form in which the server sends
// it, which is the same as over the socket: {code, message, retryable, retryAfterMs}.

async function post(path, body = {}) {
  let response, answer;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    answer = await response.json();
  } catch {
    throw { code: "unreachable", message: "The server cannot be reached", retryable: true };
  }
  if (!response.ok) throw answer;
  return answer;
}

// The login itself is in a cookie that no script can read. signIn and freshToken return
// {user, token, expiresInMs}.
export const signIn = (user, password) => post("/login", { user, password });
export const freshToken = () => post("/token");
export const signOut = (everywhere) => post("/logout", { everywhere });
