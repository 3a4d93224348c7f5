// Two users sign in and talk.

export default async function ({ equal, person, tab, url, ask }) {
  const first = await person();
  const ada = await first.tab();
  const bob = await tab();
  await ada.shot("door");
  await ada.signIn("ada", "ladder");
  await ada.see("user-error", "Wrong user name or password. login_failed");
  await ada.shot("door-refused");
  await ada.signIn("ada", "engine");
  await ada.hear("Welcome, ada.");
  await ada.see("who", "Signed in as ada");
  await ada.online();
  await ada.see("expiry", /^Token expires in \d+ s$/);
  await bob.signIn("bob", "ladder");
  await bob.see("people", "ada bob");
  await ada.hear("bob joined.");
  await ada.see("people-title", "People (2)");

  const text = `<img src=x onerror="document.title='hacked'">`;
  await ada.enter("text", text);
  await bob.hear(text);
  await ada.hear(text);
  await bob.enter("text", " ");
  await bob.see("text-error", "Please write something first. message_empty");
  await bob.enter("text", "b".repeat(501));
  await bob.see("text-error", "That message is too long: 500 characters at most. message_too_long");
  await bob.fill("text", "free cake");
  await bob.click("announce");
  await bob.see("text-error", "");
  await ada.page.locator(".announcement p", { hasText: "free cake" }).waitFor();
  equal(await ada.page.evaluate(() => document.title + document.images.length), "Chat0", "a message as HTML");
  await ada.shot("talk");

  const second = await first.tab(); // signed in by the cookie
  await second.see("people", "ada bob");
  await second.see("who", "Signed in as ada");
  await ada.clear();
  for (const gone of [second, bob]) {
    await gone.online();
    await gone.page.close();
  }
  await ada.see("people", "ada");
  await ada.see("lines", "bob left."); // and nobody joined or left before that

  // A new server process does not know the logins of the old one.
  await ask("stop");
  await ada.see("status", "The server cannot be reached; trying again");
  await ada.shot("server-away");
  await ask("start");
  await ada.see("gone-text", "Signed out: your login has ended. session_missing");
  await ada.shot("signed-out");

  // Something that the page never does, to check that it would have been noticed.
  await ada.page.evaluate(() => new Promise((seen) => {
    addEventListener("securitypolicyviolation", seen, { once: true });
    document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:1/" }));
  }));
  const isPolicy = (text) => text.includes("Content Security Policy");
  equal(ada.complaints.some(isPolicy), true, "a violation of the policy was seen");
  ada.complaints = ada.complaints.filter((text) => !isPolicy(text));
  equal(url, new URL(ada.page.url()).origin, "the page");
}
