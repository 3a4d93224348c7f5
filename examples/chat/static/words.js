// What the server's codes mean, in words for people. The codes are a contract, the texts
// that come with them are not: branch on the code.
const words = {
  nickname_missing: () => "Please enter a nickname.",
  nickname_too_long: (why) => `That nickname is too long: ${why.max} characters at most.`,
  nickname_invalid: () => "That nickname contains invisible characters.",
  nickname_taken: () => "Somebody here has that nickname already.",
  message_empty: () => "Please write something first.",
  message_too_long: (why) => `That message is too long: ${why.max} characters at most.`,
  room_missing: () => "Please enter a name for the room.",
  room_too_long: (why) => `That name is too long: ${why.max} characters at most.`,
  room_invalid: () => "That name contains invisible characters.",
  rooms_full: (why) => `There are ${why.max} rooms already. Please join one of them.`,
  offline: (why) => `${why.nickname} is not here.`, // from letters.js
  forbidden: (_, field) =>
    field === "nickname" ? "That nickname is not available to guests." : "Guests may not do that. Please sign in.",
  login_failed: () => "Wrong user name or password.",
  session_missing: () => "Signed out: your login has ended.",
  session_expired: () => "Your browser's session has ended. Please reload the page.",
  token_missing: () => "Please sign in.",
  token_invalid: () => "Signed out: the server does not accept the token.",
  token_expired: () => "Signed out: token expired.",
  token_revoked: () => "Signed out: your login was ended, perhaps in another tab.",
  replaced: (why) => why.reason ? `Connection ended: ${why.reason}.` : "Connection ended: you signed in elsewhere.",
  too_many_connections: (why) => why.policy === "concurrent"
    ? "There are too many connections from your address. Please close another tab, or try again later."
    : "You are signed in elsewhere. Please sign out there.",
  user_disabled: () => "Signed out: your account is closed.",
  rate_limited: (why, field) => `${tooMuch(why.policy, field)} ${howLong(why.retryAfterMs ?? 1000)}.`,
  origin_denied: () => "This page may not talk to that server.",
  unavailable: () => "The server cannot do that at the moment.",
  internal: () => "Something went wrong on the server.",
  unreachable: () => "The server cannot be reached.", // from account.js
};

// A refusal of package ratelimit says which of its limits was exceeded.
function tooMuch(policy, field) {
  switch (policy) {
    case "connect":
      return field === "user"
        ? "Too many passwords were tried from your address. Please wait"
        : "Too many attempts to connect from your address. Please wait";
    case "bytes":
      return "That was too much at once. Please wait";
    case "ban":
      return "Too fast, too often: you are banned for";
    case "events":
      return "That was too fast. Please wait";
    default:
      return "Too often. Please wait";
  }
}

// howLong returns milliseconds in words, rounded up.
export function howLong(ms) {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

// sentence returns why something was refused; field says where, if that matters.
export function sentence(why, field) {
  return Object.hasOwn(words, why.code) ? words[why.code](why, field) : `${why.message ?? "The server refused that"}.`;
}
