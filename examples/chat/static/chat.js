import * as account from "./account.js";
import { createConnection } from "./connection.js";
import { busy, explain, hold, refuse, release, tick as tickForms, waits } from "./forms.js";
import { createLetters } from "./letters.js";
import { createLines, element } from "./lines.js";
import { createPeople } from "./people.js";
import { createRooms } from "./rooms.js";
import { howLong, sentence } from "./words.js";

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
  let back = 0; // when the connection is tried again
  const { clear, note, said } = createLines($("log"), $("lines"));

  const connection = createConnection({
    automatic: () => $("auto").checked,
    room: () => rooms.room(),
    status,
    waits: (why, ms) => {
      status(why.code === "token_expired" ? "Getting a new token" : sentence(why));
      back = Date.now() + ms;
    },
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
      if (guest) hold("join", "nickname", why);
      else explain($("gone-text"), why);
      const login = ["token_expired", "replaced"].includes(why.code); // still valid
      $("back").textContent = login ? "Come back" : "Sign in again";
    },
  });
  const { socket } = connection;
  const rooms = createRooms(socket, {
    refuse: (why) => {
      refuse("room-name", why);
      $("room-name-error").scrollIntoView({ block: "nearest" });
    },
    entered: (room) => { if (rooms.room()) note(`You are in “${room}” now.`); },
  });
  const people = createPeople(socket, { note, write: (person) => letters.write(person) });
  const letters = createLetters(socket, { name: people.name, said });

  // ---- Coming and going. The page shows one of three views: door, room or gone.

  function view(name) {
    for (const id of ["door", "gone", "room"]) $(id).hidden = id !== name;
  }

  function outside(where) {
    me = "";
    view(where);
    status("Offline");
    for (const form of ["sign-in", "join", "say"]) {
      release(form);
      busy(form, false);
    }
    letters.write();
    rooms.forget();
    clear();
    $("account").open = $("opening").open = false;
    $("text").value = $("token-log").textContent = "";
    refreshes = 0;
    for (const field of ["user", "nickname", "text", "room-name"]) refuse(field);
    $(where === "door" ? "user" : "back").focus();
  }

  // A visitor whose cookie says that they are signed in enters at once.
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
    if (waits("sign-in")) return;
    refuse("user");
    busy("sign-in", true);
    try {
      connection.enter({ grant: await account.signIn($("user").value, $("password").value) });
      $("password").value = "";
    } catch (why) {
      busy("sign-in", false);
      hold("sign-in", "user", why);
    }
  });

  $("join").addEventListener("submit", (event) => {
    event.preventDefault();
    if (waits("join")) return;
    refuse("nickname");
    busy("join", true);
    connection.enter({ nickname: $("nickname").value });
  });

  $("back").addEventListener("click", resume);
  $("leave").addEventListener("click", async () => { await connection.goodbye(); outside("door"); });
  for (const id of ["sign-out", "sign-out-everywhere"]) {
    $(id).addEventListener("click", async () => {
      busy("account", true);
      try {
        await connection.signOut(id === "sign-out-everywhere");
        outside("door");
      } catch (why) {
        note(`You are still signed in. ${sentence(why)}`);
      }
      busy("account", false);
    });
  }

  $("sign-out-others").addEventListener("click", () => {
    socket.timeout(10_000).emit("sign-out-others", (err, answer) => {
      if (err) note("The server did not answer.");
      else note(answer.code ? sentence(answer) : `Connections ended elsewhere: ${answer.devices}`);
    });
  });

  let inside; // the connection that has been welcomed
  socket.on("welcome", ({ nickname, guest }) => {
    if (inside !== socket.id) note(me ? "You are back." : `Welcome, ${nickname}.`); // not after a change of rooms
    inside = socket.id;
    me = nickname;
    $("who").replaceChildren(guest ? "Guest " : "Signed in as ", element("b", "", element("bdi", "", nickname)));
    for (const e of document.querySelectorAll(".for-users")) e.hidden = guest;
    $("leave").hidden = !guest;
    if ($("room").hidden) {
      view("room");
      $("text").focus();
    }
  });

  // ---- The token

  function tick() {
    const seconds = Math.max(0, Math.floor((expiry - Date.now()) / 1000));
    $("expiry").textContent = seconds < Infinity ? `Token expires in ${seconds} s` : "";
    $("wait").textContent = back > Date.now() ? `Reconnecting in ${howLong(back - Date.now())}` : "";
    tickForms();
  }
  setInterval(tick, 250);
  $("auto").addEventListener("change", () => { if ($("auto").checked) connection.refreshNow(); });

  // ---- Talking

  // One message at a time: the server handles events concurrently, so the second could
  // overtake the first.
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    if (waits("say")) return;
    const name = event.submitter?.value || "message";
    if (!socket.connected) {
      refuse("text", { message: "You are not connected" });
      return;
    }
    busy("say", true);
    const answered = (err, why) => {
      busy("say", false);
      hold("say", "text", err ? { message: "The server did not answer" } : why);
      if (!err && !why) $("text").value = "";
      people.sent();
      $("text").focus();
    };
    if (name === "message" && letters.private()) letters.send($("text").value, answered);
    else socket.timeout(10_000).emit(name, $("text").value, answered);
  });

  $("text").addEventListener("input", () => {
    if ($("text").value && !letters.private()) people.typing(); // otherwise the others need not know
  });

  const utterance = (m, className) => {
    if (m.room === rooms.room()) said(m.nickname === me ? `${className} mine` : className, m);
  };
  socket.on("message", (m) => utterance(m, "message"));
  socket.on("announce", (m) => utterance(m, "message announcement"));

  // ---- The page

  function status(text) {
    $("status").textContent = text;
    back = 0;
  }

  resume();
}
