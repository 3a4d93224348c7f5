// Tokens expire, are refreshed and are revoked.

export default async function ({ equal, person, tab }) {
  const first = await person();
  const ada = await first.tab();
  await ada.signIn("ada", "engine");
  await ada.hear("Welcome, ada.");
  await ada.page.locator("#account > summary").click();
  await ada.see("token-log", /token refreshed \(2\)$/);
  await ada.shot("token-refreshed");
  await ada.online();
  equal((await ada.lines()).includes("back"), false, "it was refreshed by another connection");

  const bob = await tab();
  await bob.signIn("bob", "ladder");
  await bob.hear("Welcome, bob.");
  await bob.account("auto");
  await bob.see("gone-text", "Signed out: token expired. token_expired");
  await bob.see("status", "Offline");
  await bob.shot("token-expired");
  await ada.hear("bob left.");
  await bob.click("back");
  await bob.hear("Welcome, bob.");
  await bob.see("people", "ada bob");
  await bob.account("auto");
  await bob.see("token-log", /token refreshed \(\d+\)$/);

  const second = await first.tab();
  const elsewhere = await tab();
  await second.see("who", "Signed in as ada");
  await elsewhere.signIn("ada", "engine");
  await elsewhere.see("who", "Signed in as ada");
  await second.account("sign-out");
  await second.see("status", "Offline");
  await second.$("sign-in").waitFor();
  const revoked = "Signed out: your login was ended, perhaps in another tab. token_revoked";
  await ada.see("gone-text", revoked);
  await elsewhere.online(); // another login

  await ada.click("back");
  await ada.signIn("ada", "engine");
  await ada.hear("Welcome, ada.");
  let answer; // passes the request on to the server, later
  const asked = new Promise((came) => ada.page.route("**/logout", (route) => {
    answer = () => route.continue();
    came();
  }));
  await ada.account("sign-out-everywhere");
  await asked;
  for (const id of ["sign-out", "sign-out-everywhere", "sign-out-others"]) {
    equal(await ada.$(id).isDisabled(), true, `${id} is disabled`);
  }
  await answer();
  await elsewhere.see("gone-text", revoked);
  await bob.see("people", "bob");
  await ada.signIn("ada", "engine");
  await bob.see("people", "ada bob");
  for (const tab of [ada, bob]) await tab.online();
}
