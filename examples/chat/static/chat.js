import * as account from "./account.js";
import { createConnection } from "./connection.js";
import { sentence } from "./words.js";

const $ = (id) => document.getElementById(id);

if (typeof io === "undefined") {
  $("fault").textContent =
    "The Socket.IO client could not be loaded.";
} else {
  start();
}

function start() {
  let me = ""; // our nickname, from the first welcome until we leave
  let expiry = Infinity;
  let refreshes = 0;

  const connection = createConnection({
    automatic: () => $("auto").checked,
    status,
    expires: (time) => { expiry = time; tick(); },
    refreshed: (why) => {
      const now = new Date().toLocaleTimeString();
      if (!why) refreshes++;
      $("token-log").textContent = why
        ? `${now} token not refreshed: ${sentence(why)}`
        : `${now} token refreshed (${refreshes})`;
    },
    gone: (why, guest) => {
      outside(guest ? "door" : "gone");
      if (guest) refuse("nickname", why);
      else explain($("gone-text"), why);
      $("back").textContent = why.code === "token_expired" ? "Come back" : "Sign in again";
    },
  });
  const { socket } = connection;

  // ---- Coming and going. The page is at the door, in the room, or gone from it.

  function view(name) {
    for (const id of ["door", "gone", "room"]) $(id).hidden = id !== name;
  }

  function outside(where) {
    me = "";
    view(where);
    status("Offline");
    for (const form of ["sign-in", "join", "say"]) busy($(form), false);
    $("lines").replaceChildren();
    $("text").value = $("token-log").textContent = "";
    refreshes = 0;
    for (const field of ["user", "nickname", "text"]) refuse(field);
    $(where === "door" ? "user" : "back").focus();
  }

  // Whoever is signed in, by the cookie, comes in at once.
  async function resume() {
    status("Connecting");
    try {
      connection.enter({ grant: await account.freshToken() });
    } catch (why) {
      outside("door");
      if (why.code !== "session_missing") refuse("user", why);
    }
  }

  $("sign-in").addEventListener("submit", async (event) => {
    event.preventDefault();
    refuse("user");
    busy($("sign-in"), true);
    try {
      connection.enter({ grant: await account.signIn($("user").value, $("password").value) });
      $("password").value = "";
    } catch (why) {
      busy($("sign-in"), false);
      refuse("user", why);
    }
  });

  $("join").addEventListener("submit", (event) => {
    event.preventDefault();
    refuse("nickname");
    busy($("join"), true);
    connection.enter({ nickname: $("nickname").value });
  });

  $("back").addEventListener("click", resume);
  $("leave").addEventListener("click", () => { connection.leave(); outside("door"); });
  for (const id of ["sign-out", "sign-out-everywhere"]) {
    $(id).addEventListener("click", async () => {
      try {
        await connection.signOut(id === "sign-out-everywhere");
        outside("door");
      } catch (why) {
        note(`You are still signed in. ${sentence(why)}`);
      }
    });
  }

  socket.on("welcome", ({ nickname, guest, people }) => {
    note(me ? "You are back." : `Welcome, ${nickname}.`);
    me = nickname;
    show(people);
    $("who").replaceChildren(guest ? "Guest " : "Signed in as ", element("b", "", element("bdi", "", nickname)));
    for (const e of document.querySelectorAll(".for-users")) e.hidden = guest;
    $("leave").hidden = !guest;
    if ($("room").hidden) {
      view("room");
      $("text").focus();
    }
  });
  socket.on("joined", ({ nickname, people }) => { note(`${nickname} joined.`); show(people); });
  socket.on("left", ({ nickname, people }) => { note(`${nickname} left.`); show(people); });

  // ---- The token

  function tick() {
    const seconds = Math.max(0, Math.floor((expiry - Date.now()) / 1000));
    $("expiry").textContent = seconds < Infinity ? `Token expires in ${seconds} s` : "";
  }
  setInterval(tick, 250);
  $("auto").addEventListener("change", () => { if ($("auto").checked) connection.refreshNow(); });

  // ---- Talking

  // One message at a time: the server works on events concurrently, so that the
  // second could overtake the first.
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = event.submitter?.value || "message";
    if (!socket.connected) {
      refuse("text", { message: "You are not connected" });
      return;
    }
    busy($("say"), true);
    socket.timeout(10000).emit(name, $("text").value, (err, why) => {
      busy($("say"), false);
      refuse("text", err ? { message: "The server has not answered" } : why);
      if (!err && !why) $("text").value = "";
      $("text").focus();
    });
  });

  socket.on("message", (m) => utterance("message", m));
  socket.on("announce", (m) => utterance("message announcement", m));

  function utterance(className, { nickname, text, at }) {
    const head = element("header", "", element("b", "", element("bdi", "", nickname)));
    const time = element("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = new Date(at).toISOString();
    head.append(time);
    const body = element("p", "", text);
    body.dir = "auto";
    line(element("li", nickname === me ? `${className} mine` : className, head, body));
  }

  // ---- The page. Text is only ever set as text, never as HTML.

  function element(tag, className, ...content) {
    const e = document.createElement(tag);
    if (className) e.className = className;
    e.append(...content); // strings become text nodes
    return e;
  }

  // The log stays at its end, also when a keyboard takes its room, unless the
  // reader has scrolled back.
  const log = $("log");
  let atEnd = true;
  const follow = () => { if (atEnd) log.scrollTop = log.scrollHeight; };
  log.addEventListener("scroll", () => {
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  });
  new ResizeObserver(follow).observe(log);

  function line(li) {
    const lines = $("lines");
    lines.append(li);
    if (lines.children.length > 500) lines.firstChild.remove();
    follow();
  }

  function note(text) { line(element("li", "note", text)); }

  function show(people) {
    $("people-title").textContent = `In the room (${people.length})`;
    $("people").replaceChildren(...people.map((nickname) => element("li", "", element("bdi", "", nickname))));
  }

  function status(text) { $("status").textContent = text; }

  function busy(form, yes) {
    for (const button of form.querySelectorAll("button")) button.disabled = yes;
    for (const input of form.querySelectorAll("input")) input.readOnly = yes;
  }

  // refuse shows why a field was refused, or that it no longer is.
  function refuse(field, why) {
    $(field).setAttribute("aria-invalid", String(Boolean(why)));
    explain($(`${field}-error`), why, field);
  }

  // explain shows a refusal in words, and its code for the curious.
  function explain(where, why, field) {
    where.replaceChildren();
    if (!why) return;
    where.append(sentence(why, field));
    if (why.code) where.append(" ", element("code", "", why.code));
  }

  resume();
}
