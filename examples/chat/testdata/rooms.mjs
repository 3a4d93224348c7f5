// Rooms are opened and entered, and disappear with the last person in them.

export default async function ({ equal, person, tab }) {
  const first = await person();
  const ada = await first.tab();
  const bob = await tab();
  await ada.signIn("ada", "engine");
  await bob.signIn("bob", "ladder");
  await ada.see("rooms", "lobby 2 kitchen 0 workshop 0");

  // What is said in one room is not heard in the next.
  await bob.press("rooms", "kitchen");
  await bob.hear("You are in “kitchen” now.");
  await ada.hear("bob left.");
  await ada.see("people", "ada");
  await bob.see("people", "bob");
  for (const tab of [ada, bob]) await tab.see("rooms", "lobby 1 kitchen 1 workshop 0");
  await ada.enter("text", "in the lobby");
  await ada.hear("in the lobby");
  await bob.enter("text", "in the kitchen");
  await bob.hear("in the kitchen");
  await ada.press("rooms", "kitchen");
  await bob.hear("ada joined.");
  await ada.see("people", "ada bob");
  await ada.enter("text", "in here");
  await bob.hear("in here");
  equal((await bob.lines()).includes("in the lobby"), false, "bob has heard the lobby");
  equal((await ada.lines()).includes("in the kitchen"), false, "ada has heard the kitchen");

  // A new room, which both see and one of them enters.
  for (const [name, want] of [
    [" ", "Please enter a name for the room. room_missing"],
    ["a".repeat(21), "That name is too long: 20 characters at most. room_too_long"],
    ["a\u200bb", "That name contains invisible characters. room_invalid"],
  ]) {
    await ada.open(name);
    await ada.see("room-name-error", want);
  }
  await ada.open("  The   Attic ");
  await ada.see("room-name-error", "");
  await ada.see("people", "ada");
  for (const tab of [ada, bob]) await tab.see("rooms", "lobby 0 kitchen 1 workshop 0 the attic 1");
  await ada.shot("rooms");
  await bob.press("rooms", "the attic");
  await bob.see("people", "ada bob");

  // The connection breaks, and ada comes back to where she was.
  await ada.online();
  await first.context.setOffline(true);
  await ada.page.evaluate(() => dispatchEvent(new Event("offline")));
  await ada.see("status", /trying again$/);
  await first.context.setOffline(false);
  await ada.hear("You are back.");
  await ada.see("people", "ada bob");

  await bob.press("rooms", "lobby");
  await bob.see("people", "bob");
  await ada.press("rooms", "lobby");
  for (const tab of [ada, bob]) await tab.see("rooms", "lobby 2 kitchen 0 workshop 0");

  // The number of rooms is limited: nine more have somebody in them.
  const crowd = await person();
  for (let n = 1; n <= 9; n++) {
    const guest = await crowd.tab();
    await guest.enter("nickname", `Guest ${n}`);
    await guest.see("who", `Guest Guest ${n}`);
    await guest.open(`room ${n}`);
    await guest.see("people", `Guest ${n}`);
  }
  await ada.open("one more");
  await ada.see("room-name-error", "There are 12 rooms already. Please join one of them. rooms_full");
  await ada.shot("rooms-full");
  await ada.see("people", "ada bob");
}
