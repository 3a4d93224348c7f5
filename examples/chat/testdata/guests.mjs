// Guests, who have no password.

export default async function ({ equal, person, tab, url, ask }) {
  const someone = await person();
  const cleo = await someone.tab();
  const dan = await tab();
  for (const [nickname, want] of [
    ["  ", "Please enter a nickname. nickname_missing"],
    ["a".repeat(21), "That nickname is too long: 20 characters at most. nickname_too_long"],
    ["a\u200bb", "That nickname contains invisible characters. nickname_invalid"],
    ["admin", "That nickname is not available to guests. forbidden"],
    ["Ada", "That nickname is not available to guests. forbidden"],
  ]) {
    await cleo.enter("nickname", nickname);
    await cleo.see("nickname-error", want);
  }
  await cleo.enter("nickname", "Cleo");
  await cleo.see("nickname-error", "");
  await cleo.see("who", "Guest Cleo");
  await cleo.online();
  await dan.enter("nickname", "cleo");
  await dan.see("nickname-error", "Somebody here has that nickname already. nickname_taken");
  await dan.enter("nickname", "Dan");
  await dan.see("people", "Cleo Dan");

  await cleo.fill("text", "free cake");
  await cleo.click("announce");
  await cleo.see("text-error", "Guests may not do that. Please sign in. forbidden");
  await cleo.shot("guest-refused");
  await cleo.enter("text", "no cake");
  await cleo.see("text-error", "");
  await dan.hear("no cake");
  equal((await dan.lines()).includes("free cake"), false, "a guest has announced something");

  await dan.online();
  await dan.click("leave");
  await dan.see("status", "Offline");
  await cleo.hear("Dan left.");
  await dan.enter("nickname", "Dan");
  await cleo.see("people", "Cleo Dan");

  // The page remembers the name, in this browser and in no other.
  await cleo.page.reload();
  equal(await cleo.$("nickname").inputValue(), "Cleo", "the name after a reload");
  const again = await someone.tab();
  equal(await again.$("nickname").inputValue(), "Cleo", "the name in another tab");
  const stranger = await tab(url);
  equal(await stranger.$("nickname").inputValue(), "", "the name in another browser");
  await cleo.click("nickname");
  await cleo.page.keyboard.press("Enter");
  await cleo.see("people", "Cleo Dan");

  // Guests come back by themselves, each to the same room.
  await cleo.press("rooms", "kitchen");
  await cleo.see("people", "Cleo");
  await cleo.online();
  await dan.online();
  await ask("stop");
  for (const guest of [cleo, dan]) await guest.see("status", "The server cannot be reached; trying again");
  await ask("start");
  for (const guest of [cleo, dan]) {
    await guest.hear("You are back.");
    await guest.online();
  }
  await cleo.see("people", "Cleo");
  await dan.see("people", "Dan");
}
