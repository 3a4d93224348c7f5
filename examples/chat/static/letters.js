const $ = (id) => document.getElementById(id);

// createLetters sends what is written to one person alone, until told otherwise:
//
//	exchange  {target, payload: {msg}}, answered by {outcome: "delivered" | "offline"}
//	exchange  {data: {action, payload}, meta: {timestamp, client, target}}
//
// name(user) returns the nickname of a user, said shows a line.
export function createLetters(socket, { name, said }) {
  let to; // a person, or undefined: everyone

  function write(person) {
    to = person;
    $("to").hidden = !to;
    $("to-name").textContent = to?.nickname ?? "";
    $("text").focus();
  }
  $("to-all").addEventListener("click", () => write());

  socket.on("exchange", ({ data, meta }) => {
    said("message private", { prefix: "Privately from ", nickname: name(meta.client), text: data.payload.msg, at: meta.timestamp });
  });

  return {
    write,
    private: () => Boolean(to),
    // send calls done like the acknowledgement of a message: with an error, or a refusal if
    // there is one.
    send(msg, done) {
      const { user, nickname } = to;
      socket.timeout(10_000).emit("exchange", { target: user, payload: { msg } }, (err, answer) => {
        if (err || answer.code) return done(err, answer);
        if (answer.outcome === "offline") return done(null, { code: "offline", nickname });
        said("message private mine", { prefix: "Privately to ", nickname, text: msg.trim(), at: Date.now() });
        done(null);
      });
    },
  };
}
