// The page on a phone: nothing overflows, everything can be tapped, and a keyboard leaves
// enough space.

const phone = { viewport: { width: 360, height: 640 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

export default async function ({ equal, tab }) {
  // fits checks what is shown now.
  async function fits(t, what) {
    const faults = await t.page.evaluate(() => {
      const faults = [];
      if (document.documentElement.scrollWidth > innerWidth) faults.push(`${document.documentElement.scrollWidth} px wide`);
      for (const e of document.querySelectorAll("button, summary, input:not([type=checkbox]), label:has(input)")) {
        if (!e.checkVisibility()) continue;
        const { width, height } = e.getBoundingClientRect();
        if (width < 44 || height < 43.5) faults.push(`${e.id || e.innerText}: ${width} x ${height}`);
        if (parseFloat(getComputedStyle(e).fontSize) < 16 && e.matches("input")) faults.push(`${e.id} makes iOS zoom`);
      }
      return faults.join("; ");
    });
    equal(faults, "", what);
  }

  const bob = await tab();
  await bob.enter("nickname", "Bartholomew of York");
  await bob.see("who", "Guest Bartholomew of York");
  const ada = await tab(phone);
  await fits(ada, "the door");
  await ada.shot("phone-door");
  await ada.fill("user", "ada");
  await ada.fill("password", "engine");
  await ada.page.locator("#sign-in button").tap();
  await ada.see("people", "Bartholomew of York ada");
  await bob.enter("text", "Shall we meet at the bridge at noon, or is that too early for you?");
  await ada.hear("at noon");
  await ada.enter("text", "Noon is fine. " + "W".repeat(60));
  await bob.hear("Noon is fine.");
  await fits(ada, "the room");
  await ada.shot("phone-room");
  await ada.page.locator("#account > summary").tap();
  await fits(ada, "the account");
  await ada.shot("phone-account");
  await ada.page.locator("#account > summary").tap();
  await ada.page.locator("#rooms button", { hasText: "workshop" }).tap();
  await ada.hear("You are in “workshop” now.");
  await ada.page.locator("#rooms button", { hasText: "lobby" }).tap();
  await ada.see("people", "Bartholomew of York ada");
  await ada.page.locator("#people button", { hasText: "Bartholomew" }).tap();
  await ada.see("to", "Privately to Bartholomew of York To everyone");
  await fits(ada, "a private message");

  // The keyboard takes more than half of it.
  await ada.page.setViewportSize({ width: 360, height: 300 });
  await ada.click("text");
  await fits(ada, "above a keyboard");
  await ada.page.waitForFunction(() => {
    const [log, text] = ["log", "text"].map((id) => document.getElementById(id));
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 2;
    return atEnd && log.clientHeight >= 60 && text.getBoundingClientRect().bottom <= innerHeight;
  });
  await ada.shot("phone-keyboard");
  await ada.page.setViewportSize(phone.viewport);
  await ada.page.emulateMedia({ colorScheme: "dark" });
  await ada.shot("phone-dark");
}
