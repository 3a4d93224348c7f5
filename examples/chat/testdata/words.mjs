// Whatever code the server sends, the page has words for it.

// The codes of the contract and of the program itself; rate_limited depends on the policy.
const refusals = [
  ..."token_missing token_invalid token_expired token_revoked user_disabled forbidden session_missing".split(" "),
  ..."session_expired origin_denied replaced unavailable internal login_failed unreachable message_empty".split(" "),
  ..."nickname_missing nickname_invalid nickname_taken room_missing room_invalid".split(" "),
].map((code) => ({ code }));
for (const code of ["nickname_too_long", "message_too_long", "room_too_long", "rooms_full"]) refusals.push({ code, max: 7 });
for (const policy of ["connect", "bytes", "events", "event:typing"]) refusals.push({ code: "rate_limited", policy });
for (const policy of ["concurrent", undefined]) refusals.push({ code: "too_many_connections", policy });
refusals.push({ code: "replaced", reason: "signed out there" });
refusals.push({ code: "http_503", message: "Service Unavailable" }, { code: "offline", nickname: "Dan" });

export default async function ({ equal, tab }) {
  const ada = await tab();
  const seen = new Set();
  let why;
  await ada.page.route("**/login", (route) => route.fulfill({ status: 403, json: why }));
  for (why of refusals) {
    await ada.signIn("ada", "engine");
    await ada.see("user-error", new RegExp(`^[A-Z].*[.] ${why.code}$`));
    const text = await ada.$("user-error").innerText();
    equal(/undefined|NaN|null/.test(text), false, text);
    equal(seen.has(text), false, `words of ${JSON.stringify(why)} of their own`);
    seen.add(text);
  }

  // A case in which the server cannot say anything: it does not answer.
  await ada.page.route("**/login", (route) => route.abort());
  await ada.signIn("ada", "engine");
  await ada.see("user-error", "The server cannot be reached. unreachable");
}
