// A minimal Socket.IO client: one connection to "/", without reconnecting. An application
// uses the official client; this page exists to show the headers, which that one hides.
"use strict";

const $ = (id) => document.getElementById(id);
const path = "/socket.io/?EIO=4&transport=";
let current; // {send, close} of the connection

function line(...what) {
  const li = document.createElement("li");
  li.textContent = what.map((x) => (typeof x === "string" ? x : JSON.stringify(x))).join(" ");
  $("lines").append(li);
}

// receive handles one Engine.IO packet.
function receive(connection, packet) {
  if (packet === "2") connection.send("3"); // ping
  else if (packet[0] === "0") connection.send("40"); // open: join "/"
  else if (packet.startsWith("40")) $("whoami").disabled = false;
  else if (packet.startsWith("42")) line(...JSON.parse(packet.slice(2)));
  else if (packet.startsWith("43")) line("answer", packet.replace(/^43\d*/, ""));
  else if (packet.startsWith("44")) line("refused", JSON.parse(packet.slice(2)));
  else if (packet === "1" || packet.startsWith("41")) connection.close();
}

async function poll() {
  const first = await fetch(path + "polling");
  $("headers").textContent = [first.status, ...[...first.headers].map((h) => h.join(": "))].join("\n");
  const body = await first.text();
  if (!first.ok) return line("refused", first.status, body);
  const url = path + "polling&sid=" + JSON.parse(body.slice(1)).sid;
  let open = true;
  let sent = Promise.resolve(); // one request at a time
  const connection = current = {
    send(packet) {
      sent = sent.then(() => fetch(url, { method: "POST", body: packet }));
    },
    close() {
      open = false;
    },
  };
  receive(connection, body);
  while (open) {
    const answer = await fetch(url);
    if (!answer.ok) break;
    for (const packet of (await answer.text()).split("\x1e")) receive(connection, packet);
  }
  over(connection);
}

function webSocket() {
  $("headers").textContent = "A page cannot see those of a WebSocket: look at the developer tools, or use curl.";
  const ws = new WebSocket(location.origin.replace(/^http/, "ws") + path + "websocket");
  const connection = current = { send: (packet) => ws.send(packet), close: () => ws.close() };
  ws.onmessage = (e) => receive(connection, e.data);
  ws.onclose = () => over(connection);
}

function over(connection) {
  line("closed");
  if (connection === current) $("whoami").disabled = true;
}

$("polling").onclick = () => poll().catch((err) => line("failed", err.message));
$("websocket").onclick = webSocket;
$("whoami").onclick = () => current.send('420["whoami"]');
$("login").onsubmit = async (e) => {
  e.preventDefault();
  const answer = await fetch("/login", { method: "POST", body: new URLSearchParams(new FormData(e.target)) });
  line(answer.ok ? "signed in" : await answer.text());
};
$("logout").onclick = async () => {
  await fetch("/logout", { method: "POST" });
  line("signed out");
};
