"use strict";

(() => {
  const $ = (id) => document.getElementById(id);

  if (typeof io === "undefined") {
    $("nickname-error").textContent =
      "The Socket.IO client could not be loaded. Without the internet, start the server with -client.";
    return;
  }

  // What the codes of the server mean to a person. Codes are a contract, the
  // texts that come with them are not: branch on the code.
  const words = {
    nickname_missing: () => "Please enter a nickname.",
    nickname_too_long: (why) => `That nickname is too long: ${why.max} characters at most.`,
    nickname_invalid: () => "That nickname has characters that nobody could see.",
    nickname_taken: () => "Somebody here has that nickname already.",
    message_empty: () => "Please write something first.",
    message_too_long: (why) => `That message is too long: ${why.max} characters at most.`,
    origin_denied: () => "This page may not talk to that server.",
    unavailable: () => "The server cannot do that at the moment.",
    internal: () => "Something went wrong on the server.",
  };

  // The nickname goes into the auth payload, which is asked for anew each time
  // the client connects.
  const socket = io({ autoConnect: false, auth: (send) => send({ nickname: $("nickname").value }) });
  let me = ""; // our nickname, from the first welcome until we leave
  let retry = 0;

  // ---- Coming and going

  $("join").addEventListener("submit", (event) => {
    event.preventDefault();
    refuse("nickname");
    busy($("join"), true);
    status("Connecting");
    socket.connect();
  });

  $("leave").addEventListener("click", () => {
    clearTimeout(retry);
    socket.disconnect();
    outside("Offline");
  });

  // A page that the visitor has left may live on in the browser's cache, and its
  // connection with it.
  addEventListener("pagehide", () => socket.disconnect());
  addEventListener("pageshow", (event) => {
    if (event.persisted && me) socket.connect();
  });

  socket.on("connect", () => {
    const engine = socket.io.engine;
    status(`Online (${engine.transport.name})`);
    engine.once("upgrade", (transport) => status(`Online (${transport.name})`));
  });

  socket.on("connect_error", (err) => {
    const why = refusal(err);
    if (!why) {
      status("The server cannot be reached; trying again"); // the client does
      busy($("join"), false); // the nickname may be changed meanwhile
      return;
    }
    if (me && why.retryable) {
      // A refusal is final for the client. We were in, though: the nickname is
      // free as soon as the server has noticed that we were lost.
      status("Waiting to get back in");
      retry = setTimeout(() => socket.connect(), why.retryAfterMs || 5000);
      return;
    }
    socket.disconnect();
    outside("Offline");
    refuse("nickname", why);
  });

  socket.on("disconnect", (reason) => {
    if (reason === "io client disconnect") return;
    status("Connection lost; trying again");
    if (!socket.active) socket.connect(); // sent away by the server
  });

  socket.on("welcome", ({ nickname, people }) => {
    note(me ? "You are back." : `Welcome, ${nickname}.`);
    me = nickname;
    show(people);
    if ($("room").hidden) {
      busy($("join"), false);
      $("join").hidden = true;
      $("room").hidden = $("leave").hidden = false;
      $("text").focus();
    }
  });
  socket.on("joined", ({ nickname, people }) => { note(`${nickname} joined.`); show(people); });
  socket.on("left", ({ nickname, people }) => { note(`${nickname} left.`); show(people); });

  function outside(text) {
    me = "";
    status(text);
    busy($("join"), false);
    $("lines").replaceChildren();
    $("join").hidden = false;
    $("room").hidden = $("leave").hidden = true;
    refuse("text");
    $("nickname").focus();
  }

  // refusal returns what a middleware said, of Socket.IO in the data of the
  // error or of HTTP in the body of the response, or nothing if the server was
  // not reached.
  function refusal(err) {
    if (err.data) return err.data;
    try {
      const why = JSON.parse(err.context.responseText);
      return why.code && isNaN(why.code) ? why : undefined; // numbers are of Engine.IO
    } catch {
      return undefined;
    }
  }

  // ---- Talking

  // One message at a time: the server works on events concurrently, so that the
  // second could overtake the first.
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!socket.connected) {
      refuse("text", { message: "You are not connected" });
      return;
    }
    busy($("say"), true);
    socket.timeout(10000).emit("message", $("text").value, (err, why) => {
      busy($("say"), false);
      refuse("text", err ? { message: "The server has not answered" } : why);
      if (!err && !why) $("text").value = "";
      $("text").focus();
    });
  });

  socket.on("message", ({ nickname, text, at }) => {
    const head = element("header", "", element("b", "", element("bdi", "", nickname)));
    const time = element("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = new Date(at).toISOString();
    head.append(time);
    const body = element("p", "", text);
    body.dir = "auto";
    line(element("li", nickname === me ? "message mine" : "message", head, body));
  });

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
    form.querySelector("button").disabled = yes;
    form.querySelector("input").readOnly = yes;
  }

  // refuse shows why a field was refused, and the code for the curious.
  function refuse(field, why) {
    const error = $(`${field}-error`);
    error.replaceChildren();
    $(field).setAttribute("aria-invalid", String(Boolean(why)));
    if (!why) return;
    error.append(Object.hasOwn(words, why.code) ? words[why.code](why) : `${why.message}.`);
    if (why.code) error.append(" ", element("code", "", why.code));
  }
})();
