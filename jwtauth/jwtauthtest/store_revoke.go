package jwtauthtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

var revocationCases = []storeCase{
	{"ByID", "Revoked by its ID, or by its subject and the time of its issue", func(k *storeKit) {
		l, other := k.login(jwtauth.ManyLogins, "a", 0), k.login(jwtauth.ManyLogins, "b", 0)
		k.admit("before", l, jwtauth.Admitted)
		k.revoke(jwtauth.ByID(l.ID))
		k.admit("after", l, jwtauth.Revoked)
		k.admit("another token", other, jwtauth.Admitted)
		other.Name, other.Subject = l.ID, l.ID
		k.admit("a login and a subject named like the ID", other, jwtauth.Admitted)
		l.Policy = jwtauth.NewestLogin
		k.admit("under another policy", l, jwtauth.Revoked)
	}},
	{"BySubject", "by subject: tokens that were issued before", func(k *storeKit) {
		k.revoke(jwtauth.IssuedBefore(k.subject(), k.now))
		k.admit("before", k.login(jwtauth.ManyLogins, "a", -time.Second), jwtauth.Revoked)
		k.admit("at that time", k.login(jwtauth.ManyLogins, "b", 0), jwtauth.Admitted)
		k.admit("after", k.login(jwtauth.ManyLogins, "c", time.Second), jwtauth.Admitted)
		other := k.login(jwtauth.ManyLogins, "d", -time.Second)
		other.ID, other.Subject = k.subject(), ""
		k.admit("an ID like the subject", other, jwtauth.Admitted)
	}},
	{"Now", "all that were issued up to the end of the current second", func(k *storeKit) {
		l := k.login(jwtauth.ManyLogins, "a", 0)
		r := jwtauth.BySubject(l.Subject)
		k.revoke(r)
		l.IssuedAt = r.Before.Add(-time.Second)
		k.admit("issued in the second", l, jwtauth.Revoked)
		l.IssuedAt = r.Before
		k.admit("issued in the next second", l, jwtauth.Admitted)
	}},
	{"NoTimeOfIssue", "a token without that time counts as issued long ago", func(k *storeKit) {
		l := k.login(jwtauth.ManyLogins, "a", 0)
		l.IssuedAt = time.Time{}
		k.admit("before", l, jwtauth.Admitted)
		k.revoke(jwtauth.IssuedBefore(l.Subject, time.Unix(0, 0)))
		k.admit("after", l, jwtauth.Revoked)
	}},
	{"AnyIssuer", "the user's, of whatever issuer", func(k *storeKit) {
		k.revoke(jwtauth.BySubject(k.subject()))
		for _, issuer := range []string{"", "https://other.example"} {
			l := k.login(jwtauth.ManyLogins, "a", 0)
			l.Issuer = issuer
			k.admit("issuer "+issuer, l, jwtauth.Revoked)
		}
	}},
	{"LaterBefore", "Of two revocations of one subject the later Before and the later Until count.", func(k *storeKit) {
		l := k.login(jwtauth.ManyLogins, "a", 0)
		k.revoke(jwtauth.IssuedBefore(l.Subject, k.now.Add(time.Second)))
		k.revoke(jwtauth.IssuedBefore(l.Subject, k.now.Add(-time.Second)))
		k.admit("after one with an earlier Before", l, jwtauth.Revoked)
		l.IssuedAt = k.now.Add(time.Second)
		k.revoke(jwtauth.IssuedBefore(l.Subject, k.now.Add(2*time.Second)))
		k.admit("after one with a later Before", l, jwtauth.Revoked)
	}},
	{"LaterUntil", "Of two revocations of one subject the later Before and the later Until count.", func(k *storeKit) {
		// Each order: the later Until counts for what the other has revoked.
		var end time.Time
		var first, second jwtauth.Login
		for try := 0; try < 10 && !time.Now().Before(end); try++ { // the machine may be busy
			end = soon()
			first, second = k.login(jwtauth.ManyLogins, fmt.Sprint("a", try), 0), k.login(jwtauth.ManyLogins, fmt.Sprint("b", try), 0)
			first.Subject += fmt.Sprint("1 ", try)
			second.Subject += fmt.Sprint("2 ", try)
			k.revoke(until(jwtauth.IssuedBefore(first.Subject, k.now.Add(time.Second)), end))
			k.revoke(until(jwtauth.IssuedBefore(first.Subject, k.now.Add(-time.Hour)), k.now.Add(time.Hour)))
			k.revoke(until(jwtauth.IssuedBefore(second.Subject, k.now.Add(-time.Hour)), k.now.Add(time.Hour)))
			k.revoke(until(jwtauth.IssuedBefore(second.Subject, k.now.Add(time.Second)), end))
		}
		k.revoke(until(jwtauth.ByID(k.tag+"third"), end))
		third := k.login(jwtauth.ManyLogins, "c", 0)
		third.ID, third.Subject = k.tag+"third", ""
		k.holdsUntil(end, third, jwtauth.Revoked, jwtauth.Admitted) // waits for end
		k.admit("the later Until was second", first, jwtauth.Revoked)
		k.admit("the later Until was first", second, jwtauth.Revoked)
	}},
	{"UntilByID", "Revoke remembers r until r.Until", func(k *storeKit) {
		l, end := k.login(jwtauth.ManyLogins, "a", 0), soon()
		k.revoke(until(jwtauth.ByID(l.ID), end))
		k.holdsUntil(end, l, jwtauth.Revoked, jwtauth.Admitted)
		// What had expired is remembered anew, and never for less time than was asked.
		k.revoke(until(jwtauth.ByID(l.ID), k.now.Add(time.Hour)))
		end = soon()
		k.revoke(until(jwtauth.ByID(l.ID), end))
		other := k.login(jwtauth.ManyLogins, "b", 0)
		k.revoke(until(jwtauth.ByID(other.ID), end))
		k.holdsUntil(end, other, jwtauth.Revoked, jwtauth.Admitted)
		k.admit("after the earlier Until of two", l, jwtauth.Revoked)
	}},
	{"UntilBySubject", "Revoke remembers r until r.Until", func(k *storeKit) {
		l, end := k.login(jwtauth.ManyLogins, "a", 0), soon()
		k.revoke(until(jwtauth.IssuedBefore(l.Subject, k.now.Add(time.Hour)), end))
		k.holdsUntil(end, l, jwtauth.Revoked, jwtauth.Admitted)
		// The Before of an expired revocation does not come back.
		k.revoke(until(jwtauth.IssuedBefore(l.Subject, k.now.Add(-time.Hour)), k.now.Add(time.Hour)))
		k.admit("with the next revocation", l, jwtauth.Admitted)
	}},
	{"PastUntil", "Until is when the last of these tokens has expired.", func(k *storeKit) {
		l := k.login(jwtauth.ManyLogins, "a", 0)
		k.revoke(until(jwtauth.ByID(l.ID), k.now.Add(-time.Hour)))
		k.revoke(until(jwtauth.BySubject(l.Subject), k.now.Add(-time.Hour)))
		k.admit("a token that had expired", l, jwtauth.Admitted)
	}},
	{"FarUntil", "Revoke remembers r until r.Until", func(k *storeKit) {
		for _, end := range []time.Time{time.Unix(1<<60, 0), time.Unix(253402300800, 0), k.now.AddDate(1000, 0, 0)} {
			l := k.login(jwtauth.ManyLogins, end.String(), 0)
			l.Subject += end.String()
			k.revoke(until(jwtauth.ByID(l.ID), end))
			k.admit("by ID, until "+end.String(), l, jwtauth.Revoked)
			k.revoke(until(jwtauth.IssuedBefore(l.Subject, end), end))
			l.ID += "2"
			k.admit("by subject, until and before "+end.String(), l, jwtauth.Revoked)
		}
	}},
	{"Context", "A Store is safe for concurrent use and honors the context.", func(k *storeKit) {
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		l := k.login(jwtauth.NewestLogin, "a", 0)
		for _, policy := range []jwtauth.LoginPolicy{jwtauth.ManyLogins, jwtauth.NewestLogin, jwtauth.OldestLogin} {
			l.Policy = policy
			if v, err := k.node().Admit(ctx, l); !errors.Is(err, context.Canceled) || v == jwtauth.Admitted {
				k.fail("Admit: %s, %v", verdicts[v], err)
			}
		}
		if err := k.node().Revoke(ctx, jwtauth.ByID(l.ID)); !errors.Is(err, context.Canceled) {
			k.fail("Revoke: %v", err)
		}
		k.admit("afterwards", l, jwtauth.Admitted)
	}},
	{"OddBytes", "Revoked by its ID, or by its subject and the time of its issue", func(k *storeKit) {
		login := func(s string) (byID, bySubject jwtauth.Login) {
			byID, bySubject = k.login(jwtauth.ManyLogins, "a", 0), k.login(jwtauth.ManyLogins, "b", 0)
			byID.ID, byID.Subject = k.tag+s, ""
			bySubject.ID, bySubject.Subject = k.tag+s+"id", k.tag+s
			return byID, bySubject
		}
		for i, s := range odd {
			byID, bySubject := login(s)
			if v := k.verdict(byID); v != jwtauth.Admitted {
				k.fail("ID %.20q is taken for another", s)
			}
			if v := k.verdict(bySubject); v != jwtauth.Admitted {
				k.fail("subject %.20q is taken for another", s)
			}
			k.revoke(jwtauth.ByID(byID.ID))
			k.revoke(jwtauth.BySubject(bySubject.Subject))
			for _, s := range odd[:i+1] {
				byID, bySubject := login(s)
				if v := k.verdict(byID); v != jwtauth.Revoked {
					k.fail("ID %.20q is not revoked", s)
				}
				if v := k.verdict(bySubject); v != jwtauth.Revoked {
					k.fail("subject %.20q is not revoked", s)
				}
			}
		}
	}},
}
