// Two users come, one goes, and the server stops.

export default async function ({ tab, ask }) {
  const ada = await tab();
  await ada.signIn("ada", "engine");
  await ada.online();
  const bob = await tab();
  await bob.signIn("bob", "ladder");
  await ada.see("people", "ada bob");
  await bob.online();
  await bob.page.goto("about:blank");
  await ada.hear("bob left.");
  await ask("stop");
  await ada.see("status", "The server cannot be reached; trying again");
}
