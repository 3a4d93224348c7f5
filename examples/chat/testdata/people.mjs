// People see what the others do, and write to one of them alone.

export default async function ({ equal, person, tab, url }) {
  const first = await person();
  const ada = await first.tab();
  const [bob, cleo] = [await tab(), await tab()];
  await ada.signIn("ada", "engine");
  await bob.signIn("bob", "ladder");
  await cleo.enter("nickname", "Cleo");
  for (const each of [ada, bob, cleo]) {
    await each.see("people", "Cleo ada bob");
    await each.see("people-title", "People (3)");
    await each.online();
  }

  // Private messages: to one person, in all of her tabs, and back.
  const beside = await first.tab();
  await beside.online();
  await cleo.press("people", "ada");
  await cleo.see("to", "Privately to ada To everyone");
  await cleo.enter("text", "<i>psst</i>");
  await cleo.hear("Privately to ada");
  for (const tab of [ada, beside]) {
    await tab.hear("Privately from Cleo");
    await tab.hear("<i>psst</i>");
  }
  await ada.press("people", "Cleo");
  await ada.enter("text", "what?");
  await cleo.hear("what?");
  await cleo.shot("private");
  for (const tab of [ada, cleo]) await tab.click("to-all");
  await ada.enter("text", "hello all");
  await bob.hear("hello all");
  equal(/psst|what/.test(await bob.lines()), false, "bob has read it");
  await beside.page.close();

  // Typing, until the message is sent; and looking elsewhere.
  const typed = (text) => ada.$("text").pressSequentially(text, { delay: 200 });
  await Promise.all([typed("I think, therefore I am"), bob.see("people", "Cleo ada typing bob")]);
  await bob.shot("typing");
  await ada.enter("text", "I think");
  await bob.see("people", "Cleo ada bob");
  await Promise.all([typed("no, that is not what I mean"), bob.see("people", "Cleo ada typing bob")]);
  await bob.see("people", "Cleo ada bob"); // after a while
  const hide = (hidden) => ada.page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { configurable: true, value });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await hide(true);
  await bob.see("people", "Cleo ada away bob");
  await hide(false);
  await bob.see("people", "Cleo ada bob");

  // Nobody notices that a page reloads.
  await bob.page.evaluate(() => {
    window.shown = [];
    const people = document.getElementById("people");
    new MutationObserver(() => shown.push(people.innerText.replace(/\s+/g, " ").trim()))
      .observe(people, { childList: true, subtree: true, characterData: true });
  });
  await bob.clear();
  await ada.page.goto(url);
  await ada.hear("Welcome, ada.");
  await ada.enter("text", "here again");
  await ada.online();
  await bob.hear("here again");
  const missed = await bob.page.evaluate(() => [...shown].filter((list) => !/\bada\b/.test(list)).join("; "));
  equal(missed, "", "bob has not seen ada leave");
  equal(await bob.$("lines").locator("li").count(), 1, "lines that bob has seen");

  // The newest devices win, and may sign out the others.
  const [second, third] = [await first.tab(), await first.tab()];
  for (const tab of [second, third]) await tab.see("who", "Signed in as ada");
  await ada.see("gone-text", "Connection ended: you signed in elsewhere. replaced");
  await ada.see("back", "Come back");
  await ada.see("status", "Offline");
  await ada.shot("signed-in-elsewhere");
  for (const tab of [second, third]) await tab.online();
  await third.account("sign-out-others");
  await third.hear("Connections ended elsewhere: 1"); // and not the first one, which has not come back
  await second.see("gone-text", "Connection ended: signed out by another of your devices. replaced");
  await second.see("back", "Come back");
  await second.click("back");
  await second.hear("Welcome, ada.");
  await second.online();
  await bob.see("people", "Cleo ada bob");

  // A visitor who leaves explicitly is gone at once.
  await cleo.click("leave");
  await bob.see("people", "ada bob");
  await bob.hear("Cleo left.");
}
