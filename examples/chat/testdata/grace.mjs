// A tab is closed: its user can no longer be reached, and is gone after a while.

export default async function ({ equal, tab }) {
  const [ada, bob] = [await tab(), await tab()];
  await ada.signIn("ada", "engine");
  await bob.signIn("bob", "ladder");
  await ada.see("people", "ada bob");
  await ada.press("people", "bob");
  for (const tab of [ada, bob]) await tab.online();

  const closed = Date.now();
  await bob.page.close();
  await ada.see("people", "ada");
  equal(Date.now() - closed >= 2000, true, "bob stayed for the grace");
  await ada.hear("bob left.");
  await ada.enter("text", "are you there?");
  await ada.see("text-error", "bob is not here. offline");
}
