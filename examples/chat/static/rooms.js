import { element } from "./lines.js";
import { createList } from "./list.js";

const $ = (id) => document.getElementById(id);

// createRooms shows which rooms there are, and moves us to another one:
//
//	welcome  {room, rooms, ...}    where we are, and all rooms
//	rooms    [{name, people}]      all rooms
//	room     name                  answered by nothing, after a welcome, or by a refusal
//
// refuse(why) shows the refusal, entered(room) is called for each room that we enter.
export function createRooms(socket, { refuse, entered }) {
  let room; // ours; kept when the connection is lost, so that we come back to it
  let list = [];

  socket.on("welcome", (now) => {
    list = now.rooms;
    if (room !== now.room) entered(now.room);
    room = now.room;
    draw(list);
  });
  socket.on("rooms", (now) => draw(list = now));

  const draw = createList($("rooms"), {
    key: ({ name }) => name,
    make({ name }) {
      const button = element("button", "", element("bdi", "", name), element("span", "count"));
      button.type = "button";
      button.addEventListener("click", () => go(name));
      return element("li", "", button);
    },
    show(li, { name, people }) {
      li.querySelector(".count").textContent = people;
      if (name === room) li.firstChild.setAttribute("aria-current", "true");
      else li.firstChild.removeAttribute("aria-current");
    },
  });

  function go(name) {
    refuse();
    socket.timeout(10_000).emit("room", name, (err, why) => {
      if (err || why) return refuse(err ? { message: "The server did not answer" } : why);
      $("room-name").value = "";
      $("opening").open = false;
    });
  }

  $("open").addEventListener("submit", (event) => {
    event.preventDefault();
    go($("room-name").value);
  });

  return { room: () => room, forget: () => { room = undefined; } };
}
