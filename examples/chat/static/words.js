// What the codes of the server mean to a person. Codes are a contract, the texts
// that come with them are not: branch on the code.
const words = {
  nickname_missing: () => "Please enter a nickname.",
  nickname_too_long: (why) => `That nickname is too long: ${why.max} characters at most.`,
  nickname_invalid: () => "That nickname has characters that nobody could see.",
  nickname_taken: () => "Somebody here has that nickname already.",
  message_empty: () => "Please write something first.",
  message_too_long: (why) => `That message is too long: ${why.max} characters at most.`,
  forbidden: (_, field) =>
    field === "nickname" ? "That nickname is not for guests." : "Guests may not do that. Please sign in.",
  login_failed: () => "There is no such user, or that is not the password.",
  session_missing: () => "Signed out: your login is over.",
  token_missing: () => "Please sign in.",
  token_invalid: () => "Signed out: the server does not know the token.",
  token_expired: () => "Signed out: token expired.",
  token_revoked: () => "Signed out: your login was ended, perhaps in another tab.",
  replaced: () => "Signed out: you have signed in elsewhere.",
  too_many_connections: () => "You are signed in elsewhere. Please sign out there.",
  user_disabled: () => "Signed out: your account is closed.",
  rate_limited: (why) => `Too often. Please wait ${Math.ceil((why.retryAfterMs ?? 1000) / 1000)} s.`,
  origin_denied: () => "This page may not talk to that server.",
  unavailable: () => "The server cannot do that at the moment.",
  internal: () => "Something went wrong on the server.",
  unreachable: () => "The server cannot be reached.", // says account.js
};

// sentence says why something was refused; field is where, if that matters.
export function sentence(why, field) {
  return Object.hasOwn(words, why.code) ? words[why.code](why, field) : `${why.message}.`;
}
