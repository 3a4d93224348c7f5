// Everything that comes from others is shown as text, never as HTML.
const at = (id) => document.getElementById(id);

function show(list, ...lines) {
  list.append(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
}

let user;

// Called for each attempt to connect, so that the token is never too old.
async function fetchToken() {
  const response = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer.token;
}

const socket = io({
  autoConnect: false,
  auth: async (send) => {
    try {
      send({ token: await fetchToken() });
    } catch (why) {
      at("status").textContent = String(why);
      setTimeout(() => socket.disconnect().connect(), 2000);
    }
  },
});

async function who() {
  const { node, count, members, stale, message } = await socket.emitWithAck("who");
  if (!members) return show(at("log"), message);
  at("status").textContent = `${user} on node ${node}, with ${count} in the lobby${stale ? ", as far as this node knows" : ""}`;
  at("members").replaceChildren();
  show(at("members"), ...members.map((m) => `${m.user}: ${m.nodes.join(", ") || "may come back"}`));
}

let again; // ms until the next attempt: a kicked socket does not reconnect by itself

socket.on("connect", () => { again = undefined; });
socket.on("online", ({ user, message }) => { // the first time without a user
  if (user) show(at("log"), message);
  who();
});
socket.on("exchange", ({ from, payload }) => show(at("log"), `${from}, to you alone: ${payload}`));
socket.on("kicked", ({ message, reason, retryable, retryAfterMs }) => {
  show(at("log"), `Signed out: ${reason ?? message}`);
  again = retryable ? (retryAfterMs ?? 1000) : undefined;
});
socket.on("connect_error", ({ message, data }) => {
  at("status").textContent = message;
  if (data?.retryable) setTimeout(() => socket.connect(), data.retryAfterMs ?? 1000);
});
socket.on("disconnect", (reason) => {
  at("status").textContent = reason;
  if (!socket.active && again !== undefined) setTimeout(() => socket.connect(), again);
});

// There is no event if a user moves to another node or closes one of two tabs, so ask.
setInterval(() => socket.connected && who(), 3000);

at("login").onsubmit = (event) => {
  event.preventDefault();
  user = new FormData(event.target).get("user");
  socket.disconnect().connect();
};
at("kick").onclick = async () => {
  const { devices, message } = await socket.emitWithAck("kick");
  show(at("log"), message ?? `Signed out on ${devices} other device(s)`);
  who();
};
at("exchange").onsubmit = async (event) => {
  event.preventDefault();
  const form = Object.fromEntries(new FormData(event.target));
  const { devices, message } = await socket.emitWithAck("exchange", form);
  show(at("log"), message ?? `To ${form.target}, on ${devices} device(s): ${form.payload}`);
};
