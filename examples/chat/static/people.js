import { element } from "./lines.js";
import { createList } from "./list.js";

const $ = (id) => document.getElementById(id);
const PLACE = "room:"; // what the server puts before the name of a room
const HIDDEN = 1500; // ms until a hidden page makes its visitor away; a reloading page is hidden, too
const TYPING = 2000; // ms between two reports of typing; the server forgets it after 3 s

// createPeople shows who is in the room, and reports what we do ourselves. The server sends
//
//	online   {room, clients, count, action, user}         the IDs in a room, and what changed
//	person   {room, user, nickname, guest, away, typing}  what one of them looks like now
//	welcome  {room, user, people, ...}                    where and who we are, and all there
//
// note(text) shows a line, write(person) is called when a name is clicked.
export function createPeople(socket, { note, write }) {
  const rooms = new Map(); // by name: ours, and the next one, whose events may come early
  const names = new Map(); // nicknames, by user, including those who have left
  let room; // our room
  let me;

  function at(name) {
    if (!rooms.has(name)) rooms.set(name, { known: new Map(), came: new Set(), here: [], count: 0 });
    return rooms.get(name);
  }

  function meet(person) {
    at(person.room).known.set(person.user, person);
    if (names.size > 1000) names.delete(names.keys().next().value);
    names.set(person.user, person.nickname);
  }

  socket.on("welcome", (now) => {
    ({ user: me, room } = now);
    for (const name of rooms.keys()) if (name !== room) rooms.delete(name);
    now.people.forEach(meet);
    draw();
    told = false; // the connection may be new
    tell();
  });

  socket.on("person", (person) => { meet(person); draw(); });

  socket.on("online", (now) => {
    if (now.room.startsWith(PLACE)) enlist(at(now.room.slice(PLACE.length)), now);
  });

  function enlist(there, { clients, count, action, user }) {
    Object.assign(there, { here: clients, count });
    if (action === "join" && user !== me) there.came.add(user);
    if (action === "leave" && !there.came.delete(user) && there === rooms.get(room)) note(`${name(user)} left.`);
    // Those who have left may be on their way back, but nobody is remembered forever.
    if (there.known.size > 1000) {
      for (const user of there.known.keys()) if (!clients.includes(user)) there.known.delete(user);
    }
    draw();
  }

  const name = (user) => names.get(user) ?? "Somebody";

  function draw() {
    if (!room) return;
    const { known, came, here, count } = at(room);
    for (const user of came) {
      if (!known.has(user)) continue;
      came.delete(user);
      note(`${name(user)} joined.`);
    }
    const people = here.map((user) => known.get(user)).filter(Boolean);
    people.sort((a, b) => (a.nickname < b.nickname ? -1 : 1));
    $("people-title").textContent = `People (${count})`;
    list(people);
  }

  const list = createList($("people"), {
    key: ({ user }) => `${user === me} ${user}`, // our own ID may change
    make({ user }) {
      const who = element(user === me ? "span" : "button", "", element("bdi", ""));
      if (user !== me) {
        who.type = "button";
        who.title = "Write privately";
        who.addEventListener("click", () => {
          const person = room && at(room).known.get(user);
          if (person) write(person);
        });
      }
      return element("li", "", who);
    },
    show(li, person) {
      li.className = person.away ? "away" : "";
      li.querySelector("bdi").textContent = person.nickname;
      while (li.childNodes.length > 1) li.lastChild.remove();
      for (const mark of ["away", "typing"]) {
        if (person[mark]) li.append(" ", element("span", "mark", mark));
      }
    },
  });

  // ---- Ourselves

  let away = document.hidden;
  let told = false; // what the server was told
  let telling = false;
  let timer = 0;

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { away = document.hidden; tell(); }, document.hidden ? HIDDEN : 0);
  });

  // One call at a time: the server handles events concurrently.
  async function tell() {
    if (telling) return;
    telling = true;
    try {
      while (socket.connected && told !== away) {
        const now = away;
        const why = await socket.timeout(10_000).emitWithAck("away", now);
        if (why) return void setTimeout(tell, why.retryAfterMs ?? 5000);
        told = now;
      }
    } catch {
      setTimeout(tell, 1000); // the connection is lost, or there is a new one already
    } finally {
      telling = false;
    }
  }

  let typed = 0; // when it was last reported
  function typing() {
    if (!socket.connected || Date.now() - typed < TYPING) return;
    typed = Date.now();
    socket.volatile.emit("typing");
  }

  return { name, typing, sent: () => { typed = 0; } };
}
