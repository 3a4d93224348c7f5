// What the codes of the server mean to a person. Codes are a contract, the texts
// that come with them are not: branch on the code.
const words = {
  nickname_missing: () => "Please enter a nickname.",
  nickname_too_long: (why) => `That nickname is too long: ${why.max} characters at most.`,
  nickname_invalid: () => "That nickname has characters that nobody could see.",
  nickname_taken: () => "Somebody here has that nickname already.",
  message_empty: () => "Please write something first.",
  message_too_long: (why) => `That message is too long: ${why.max} characters at most.`,
  room_missing: () => "Please enter a name for the room.",
  room_too_long: (why) => `That name is too long: ${why.max} characters at most.`,
  room_invalid: () => "That name has characters that nobody could see.",
  rooms_full: (why) => `There are ${why.max} rooms already. Please come to one of them.`,
  offline: (why) => `${why.nickname} is not here.`, // says letters.js
  forbidden: (_, field) =>
    field === "nickname" ? "That nickname is not for guests." : "Guests may not do that. Please sign in.",
  login_failed: () => "There is no such user, or that is not the password.",
  session_missing: () => "Signed out: your login is over.",
  session_expired: () => "Your browser's session is over. Please load the page again.",
  token_missing: () => "Please sign in.",
  token_invalid: () => "Signed out: the server does not know the token.",
  token_expired: () => "Signed out: token expired.",
  token_revoked: () => "Signed out: your login was ended, perhaps in another tab.",
  replaced: (why) => why.reason ? `Ended here: ${why.reason}.` : "Signed in elsewhere, and ended here.",
  too_many_connections: (why) => why.policy === "concurrent"
    ? "There are too many connections from your address. Please close another tab, or try again later."
    : "You are signed in elsewhere. Please sign out there.",
  user_disabled: () => "Signed out: your account is closed.",
  rate_limited: (why, field) => `${tooMuch(why.policy, field)} ${howLong(why.retryAfterMs ?? 1000)}.`,
  origin_denied: () => "This page may not talk to that server.",
  unavailable: () => "The server cannot do that at the moment.",
  internal: () => "Something went wrong on the server.",
  unreachable: () => "The server cannot be reached.", // says account.js
};

// A refusal of package ratelimit says which of its limits it is about.
function tooMuch(policy, field) {
  switch (policy) {
    case "connect":
      return field === "user"
        ? "Too many passwords were tried from your address. Please wait"
        : "Too many attempts to connect from your address. Please wait";
    case "bytes":
      return "That was too much at once. Please wait";
    case "ban":
      return "Too fast, too often: you are put out for";
    case "events":
      return "That was too fast. Please wait";
    default:
      return "Too often. Please wait";
  }
}

// howLong says so of milliseconds; never less than that.
export function howLong(ms) {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

// sentence says why something was refused; field is where, if that matters.
export function sentence(why, field) {
  return Object.hasOwn(words, why.code) ? words[why.code](why, field) : `${why.message ?? "The server has refused that"}.`;
}
