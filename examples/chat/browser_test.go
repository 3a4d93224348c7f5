package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestBrowser has two tabs of a real browser talk, with the official client.
func TestBrowser(t *testing.T) {
	b := needs(t)
	records := new(journal)
	base, stop := start(t, config{token: time.Minute}, records)

	ada, bob := b.open(t, base), b.open(t, base)
	ada.signIn("ada", "ladder")
	ada.see("user-error", "There is no such user, or that is not the password. login_failed")
	ada.signIn("ada", "engine")
	ada.see("lines", "Welcome, ada.")
	ada.see("who", "Signed in as ada")
	ada.see("status", "Online (websocket)")
	ada.wait(`/^Token expires in \d+ s$/.test(document.getElementById("expiry").innerText)`)
	bob.signIn("bob", "ladder")
	bob.see("people", "ada bob")
	ada.see("lines", "bob joined.")
	ada.see("people-title", "In the room (2)")

	const text = `<img src=x onerror="document.title='hacked'">`
	ada.enter("text", text)
	bob.see("lines", text)
	ada.see("lines", text)
	bob.enter("text", " ")
	bob.see("text-error", "Please write something first. message_empty")
	bob.enter("text", strings.Repeat("b", 501))
	bob.see("text-error", "That message is too long: 500 characters at most. message_too_long")
	bob.fill("text", "free cake")
	bob.click("announce")
	bob.see("text-error", "")
	ada.wait(`document.querySelector(".announcement p")?.innerText === "free cake"`)
	if got := ada.eval(`document.title + document.images.length`); got != "Chat0" {
		t.Errorf("the message became HTML: %v", got)
	}

	second := ada.another(base) // comes in by the cookie
	second.see("people", "ada bob")
	second.see("who", "Signed in as ada")
	ada.eval(`document.getElementById("lines").replaceChildren()`)
	second.call("Page.navigate", map[string]any{"url": "about:blank"})
	bob.call("Page.navigate", map[string]any{"url": "about:blank"})
	ada.see("people", "ada")
	ada.see("lines", "bob left.") // and nobody joined or left before
	if got := ada.eval(`document.getElementById("lines").children.length`); got != 1.0 {
		t.Errorf("got %v lines, want one", got)
	}

	for _, tab := range []*tab{ada, second, bob} {
		tab.quiet()
	}
	// What the page never does, to know that the test would have seen it.
	ada.wait(`new Promise(seen => {
		addEventListener("securitypolicyviolation", () => seen(true), {once: true});
		document.body.append(Object.assign(document.createElement("img"), {src: "http://127.0.0.1:1/"}));
	})`)
	if got := strings.Join(b.complaints(ada.session), "\n"); !strings.Contains(got, "Content Security Policy") {
		t.Errorf("a violation of the policy was not seen; the console says: %s", got)
	}

	stop()
	ada.see("status", "The server cannot be reached; trying again")
	for _, want := range []string{
		`path=/login status=200`, `path=/socket.io/ status=200`, `msg="signed in" user=bob`,
		`msg=joined nickname=bob`, `msg=left nickname=bob`, `msg="shutting down"`,
	} {
		if got := records.String(); !strings.Contains(got, want) {
			t.Errorf("the log has no %q:\n%s", want, got)
		}
	}
}

// TestBrowserGuest is for those without a password.
func TestBrowserGuest(t *testing.T) {
	b := needs(t)
	base, _ := start(t, config{token: time.Minute}, io.Discard)

	cleo, dan := b.open(t, base), b.open(t, base)
	for nickname, want := range map[string]string{
		"  ":                    "Please enter a nickname. nickname_missing",
		strings.Repeat("a", 21): "That nickname is too long: 20 characters at most. nickname_too_long",
		"admin":                 "That nickname is not for guests. forbidden",
		"Ada":                   "That nickname is not for guests. forbidden",
	} {
		cleo.enter("nickname", nickname)
		cleo.see("nickname-error", want)
	}
	cleo.enter("nickname", "Cleo")
	cleo.see("nickname-error", "")
	cleo.see("who", "Guest Cleo")
	cleo.see("status", "Online (websocket)")
	dan.enter("nickname", "cleo")
	dan.see("nickname-error", "Somebody here has that nickname already. nickname_taken")
	dan.enter("nickname", "Dan")
	dan.see("people", "Cleo Dan")

	cleo.fill("text", "free cake")
	cleo.click("announce")
	cleo.see("text-error", "Guests may not do that. Please sign in. forbidden")
	cleo.enter("text", "no cake")
	cleo.see("text-error", "")
	dan.see("lines", "no cake")
	if dan.eval(`document.body.innerText.includes("free cake")`) == true {
		t.Error("a guest has announced something")
	}

	dan.click("leave")
	dan.see("status", "Offline")
	cleo.see("lines", "Dan left.")
	dan.enter("nickname", "Dan")
	cleo.see("people", "Cleo Dan")
	for _, tab := range []*tab{cleo, dan} {
		tab.quiet()
	}
}

// TestBrowserToken watches tokens expire, be refreshed and be revoked.
func TestBrowserToken(t *testing.T) {
	b := needs(t)
	base, _ := start(t, config{token: 3 * time.Second}, io.Discard)

	ada := b.open(t, base)
	ada.signIn("ada", "engine")
	ada.see("lines", "Welcome, ada.")
	ada.see("token-log", "token refreshed (2)")
	ada.see("status", "Online (websocket)")
	if ada.eval(`document.getElementById("lines").innerText.includes("back")`) == true {
		t.Error("it was refreshed by another connection")
	}

	bob := b.open(t, base)
	bob.signIn("bob", "ladder")
	bob.click("auto")
	bob.see("gone-text", "Signed out: token expired. token_expired")
	bob.see("status", "Offline")
	ada.see("lines", "bob left.")
	bob.click("back")
	bob.see("lines", "Welcome, bob.")
	bob.see("people", "ada bob")
	bob.click("auto")
	bob.see("token-log", "token refreshed (1)")

	second, elsewhere := ada.another(base), b.open(t, base)
	second.see("who", "Signed in as ada")
	elsewhere.signIn("ada", "engine")
	elsewhere.see("who", "Signed in as ada")
	second.click("sign-out")
	second.see("status", "Offline")
	second.wait(`document.getElementById("sign-in").checkVisibility()`)
	const revoked = "Signed out: your login was ended, perhaps in another tab. token_revoked"
	ada.see("gone-text", revoked)
	elsewhere.see("status", "Online (websocket)") // another login

	ada.click("back")
	ada.signIn("ada", "engine")
	ada.see("lines", "Welcome, ada.")
	ada.click("sign-out-everywhere")
	elsewhere.see("gone-text", revoked)
	bob.see("people", "bob")
	ada.signIn("ada", "engine")
	bob.see("people", "ada bob")
	for _, tab := range []*tab{ada, bob, second, elsewhere} {
		tab.quiet()
	}
}

// signIn fills in the form.
func (p *tab) signIn(user, password string) {
	p.t.Helper()
	p.fill("user", user)
	p.enter("password", password)
}

// quiet fails the test if the console has complained.
func (p *tab) quiet() {
	p.t.Helper()
	for _, complaint := range p.complaints(p.session) {
		// Refusals by HTTP. And a refused client drops what it has under way: an
		// upgrade, a poll.
		if !strings.Contains(complaint, `"source":"network"`) {
			p.t.Errorf("the console says: %s", complaint)
		}
	}
}

// needs starts a browser.
func needs(t *testing.T) *browser {
	t.Helper()
	return launch(t, need(t, "chromium", func() (string, error) { return exec.LookPath("chromium") }))
}

// need skips the test where something is missing, but not on CI.
func need(t *testing.T, what string, find func() (string, error)) string {
	t.Helper()
	found, err := find()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("no %s: %v", what, err)
	default:
		t.Skipf("no %s: %v", what, err)
	}
	return found
}
