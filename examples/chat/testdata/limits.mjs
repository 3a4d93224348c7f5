// What is too fast is refused, along with how long to wait; after that it works again.

export default async function ({ equal, tab }) {
  const send = (t) => t.page.locator("#say button[type=submit]").first();
  const ready = (t, form) => t.page.locator(`#${form} button[type=submit]:enabled`).first().waitFor();

  // again repeats an action until a text is as expected, since a machine may be too slow
  // to be too fast. The page has its answer when the form is either unblocked or held.
  async function again(t, form, id, want, act) {
    for (let n = 0; n < 20; n++) {
      await act(n);
      await t.page.waitForFunction(([form, id, want]) =>
        new RegExp(want).test(document.getElementById(id).innerText.replace(/\s+/g, " ").trim()) ||
        !document.querySelector(`#${form} button[type=submit]`).disabled, [form, id, want.source]);
      if (want.test((await t.$(id).innerText()).trim())) return;
    }
    throw new Error(`${id} never showed ${want}`);
  }

  const bob = await tab();
  await bob.signIn("bob", "engine");
  await bob.see("user-error", /password\. login_failed$|^Too many/);
  await again(bob, "sign-in", "user-error", /^Too many passwords were tried from your address\. Please wait \d+ s\./,
    () => bob.signIn("bob", "engine"));
  await bob.shot("limit-passwords");
  await ready(bob, "sign-in");
  await bob.see("user-error", "");
  await bob.signIn("bob", "ladder");
  await bob.online();

  const [cleo, dan] = [await tab(), await tab()];
  await cleo.enter("nickname", "Cleo");
  await cleo.see("who", "Guest Cleo");
  await dan.enter("nickname", "Dan");
  await dan.see("people", "Cleo Dan bob");
  for (const tab of [cleo, dan]) await tab.online();

  await again(cleo, "say", "text-error", /^That was too fast\. Please wait \d+ s\./, (n) => cleo.enter("text", `Cleo ${n}`));
  const text = await cleo.$("text").inputValue();
  equal(/^Wait \d+ s$/.test(await send(cleo).innerText()), true, "the button waits");
  await cleo.shot("limit-messages");
  await cleo.$("text").press("Enter"); // which the page does not send
  await ready(cleo, "say");
  await cleo.see("text-error", "");
  equal(await send(cleo).innerText(), "Send", "the button");
  await send(cleo).click(); // the text is still there
  await bob.hear(text);

  // Guests count by address: Dan goes on where Cleo stopped, and is banned.
  await again(dan, "say", "status", /^Too fast, too often: you are banned for \d+ s\.$/, (n) => dan.enter("text", `Dan ${n}`));
  await dan.shot("limit-ban");
  const left = await dan.$("text").inputValue();
  await bob.hear("Dan left.");
  await dan.hear("You are back.");
  await dan.see("wait", "");
  await ready(dan, "say");
  await send(dan).click();
  await bob.hear(left);
}
