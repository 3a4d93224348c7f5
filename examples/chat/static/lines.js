// element returns a new element. Text is only ever set as text, never as HTML.
export function element(tag, className, ...content) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...content); // strings become text nodes
  return e;
}

// createLines fills the log of the room: with what was said, and with notes of the page.
export function createLines(log, lines) {
  // The log stays scrolled to its end, even when a keyboard takes up space, unless the
  // reader has scrolled back.
  let atEnd = true;
  let height = log.clientHeight;
  const follow = () => { if (atEnd) log.scrollTop = log.scrollHeight; };
  log.addEventListener("scroll", () => {
    if (log.clientHeight !== height) return; // resized, not scrolled by the reader; the observer follows
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  });
  new ResizeObserver(() => { height = log.clientHeight; follow(); }).observe(log);

  function line(li) {
    lines.append(li);
    if (lines.children.length > 500) lines.firstChild.remove();
    follow();
  }

  return {
    clear: () => lines.replaceChildren(),
    note: (text) => line(element("li", "note", text)),
    // prefix says whom it is from or for, if it is private.
    said(className, { prefix = "", nickname, text, at }) {
      const head = element("header", "", element("b", "", prefix, element("bdi", "", nickname)));
      const time = element("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
      time.dateTime = new Date(at).toISOString();
      head.append(time);
      const body = element("p", "", text);
      body.dir = "auto";
      line(element("li", className, head, body));
    },
  };
}
